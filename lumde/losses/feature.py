"""Distances between feature maps, weighted by where a teacher's attention lies."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.geometry.precision import full_precision
from lumde.losses.masked import masked_mean


@full_precision
def attention_map(
    feature: Float[Tensor, "b c h w"], valid: Bool[Tensor, "b 1 h w"] | None = None
) -> Float[Tensor, "b 1 h w"]:
    """Softmax over valid pixels of the mean |feature| over channels, times their number: 1 on average.

    Without that factor the weights would be of order 1 / (h w), and the term would vanish. 0 elsewhere.

    Source: that attention over pixels picks what is worth imitating: Zheng et al. 2024, arXiv:2404.16386;
    its formula was not at hand, this one is ours.
    """
    strength = feature.abs().mean(1, keepdim=True)
    if valid is None:
        return strength.flatten(1).softmax(1).view_as(strength) * strength[0].numel()
    count = valid.sum((1, 2, 3), keepdim=True)
    lowest = torch.finfo(strength.dtype).min  # finite: a picture without a valid pixel has no softmax else
    shares = strength.masked_fill(~valid, lowest).flatten(1).softmax(1).view_as(strength)
    return torch.where(valid, shares * count, 0.0)


def attentive_distance(
    student: Float[Tensor, "b c h w"],
    teacher: Float[Tensor, "b c h w"],
    valid: Bool[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, ""]:
    """Mean squared difference over channels, weighted by the teacher's attention, averaged over pixels."""
    return masked_mean(attention_map(teacher.detach(), valid) * _squared(student, teacher), valid)


def plain_distance(
    student: Float[Tensor, "b c h w"],
    teacher: Float[Tensor, "b c h w"],
    valid: Bool[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, ""]:
    """Mean squared difference: what attention has to beat."""
    return masked_mean(_squared(student, teacher), valid)


def clear_places(
    valid: Bool[Tensor, "b 1 h w"] | None, size: tuple[int, int]
) -> Bool[Tensor, "b 1 rows columns"] | None:
    """Places of a smaller map all of whose pixels are valid."""
    return None if valid is None else F.adaptive_max_pool2d((~valid).float(), size) == 0


@full_precision
def _squared(student: Float[Tensor, "b c h w"], teacher: Float[Tensor, "b c h w"]) -> Tensor:
    return (student - teacher).square().mean(1, keepdim=True)
