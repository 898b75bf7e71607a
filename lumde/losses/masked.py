"""Means over valid pixels, shared by the losses: masked pixels enter no loss and no gradient."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def masked_mean(
    values: Float[Tensor, "*b h w"], valid: Bool[Tensor, "*b h w"] | None = None
) -> Float[Tensor, ""]:
    """Average over valid pixels; without any, 0 with a zero gradient. None = all pixels."""
    if valid is None:
        return values.mean()
    return torch.where(valid, values, 0.0).sum() / valid.sum().clamp(min=1)


def neighbours_valid(valid: Bool[Tensor, "*b h w"], axis: int) -> Bool[Tensor, "..."]:
    """Mark the steps along `axis` whose two pixels are both valid."""
    length = valid.shape[axis] - 1
    return valid.narrow(axis, 0, length) & valid.narrow(axis, 1, length)


def measured(
    target_depth: Float[Tensor, "b 1 h w"], valid: Bool[Tensor, "b 1 h w"] | None
) -> Bool[Tensor, "b 1 h w"]:
    """Mark the pixels with a measurement (finite, > 0) that `valid`, where given, leaves in."""
    known = (target_depth > 0) & target_depth.isfinite()
    return known if valid is None else known & valid
