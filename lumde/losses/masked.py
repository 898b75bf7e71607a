"""Means over valid pixels, shared by the losses: masked pixels enter no loss and no gradient."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from lumde.geometry.warp import sample
from lumde.structures import WHOLE


def masked_mean(
    values: Float[Tensor, "*b h w"],
    valid: Bool[Tensor, "*b h w"] | None = None,
    weight: Float[Tensor, "*b h w"] | None = None,
) -> Float[Tensor, ""]:
    """Average over valid pixels, by weight; without any, 0 with a zero gradient. None = all, and alike."""
    if weight is not None:
        weight = weight if valid is None else torch.where(valid, weight, 0.0)
        return torch.where(weight > 0, weight * values, 0.0).sum() / weight.sum().clamp(min=1e-6)
    if valid is None:
        return values.mean()
    return torch.where(valid, values, 0.0).sum() / valid.sum().clamp(min=1)


def smaller_end(values: Shaped[Tensor, "*b h w"], axis: int) -> Shaped[Tensor, "..."]:
    """Of each step along `axis` the smaller end: valid if both pixels are, as heavy as the lighter one."""
    length = values.shape[axis] - 1
    return torch.minimum(values.narrow(axis, 0, length), values.narrow(axis, 1, length))


def measured(
    target_depth: Float[Tensor, "b 1 h w"], valid: Bool[Tensor, "b 1 h w"] | None
) -> Bool[Tensor, "b 1 h w"]:
    """Mark the pixels with a measurement (finite, > 0) that `valid`, where given, leaves in."""
    known = (target_depth > 0) & target_depth.isfinite()
    return known if valid is None else known & valid


def mean_seen(values: Float[Tensor, "b s h w"], seen: Bool[Tensor, "b s h w"]) -> Float[Tensor, "b 1 h w"]:
    """Average over the sources that see a pixel; 0 where none does."""
    return (values * seen).sum(1, keepdim=True) / seen.sum(1, keepdim=True).clamp(min=1)


def surrounded(mask: Bool[Tensor, "b c h w"]) -> Bool[Tensor, "b c h w"]:
    """Valid pixels whose neighbours all are valid: what looks at 3x3 windows, such as SSIM, stays clear."""
    return F.max_pool2d((~mask).float(), 3, 1, 1) == 0


def unmasked(clear: Bool[Tensor, "n 1 h w"], grid: Float[Tensor, "n h w 2"]) -> Bool[Tensor, "n 1 h w"]:
    """Where positions in a source picture meet clear pixels alone, such as `surrounded` answers."""
    return sample(clear.float(), grid) > WHOLE
