"""Smoothness of disparity where the picture is smooth."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.losses.masked import masked_mean, smaller_end

MEAN_EPSILON = 1e-7  # added to the mean disparity before the division


def edge_aware_smoothness(
    disp: Float[Tensor, "b 1 h w"],
    image: Float[Tensor, "b 3 h w"],
    valid: Bool[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, ""]:
    """Penalise steps of mean-normalised disparity, less across edges of the picture.

    Args:
        disp: sigmoid outputs, or inverse depth in any unit: its mean per picture divides out.
        image: RGB in [0, 1] at the same scale.
        valid: pixels that count; a step counts if both of its pixels do. None = all.

    Source: Godard et al. 2019, arXiv:1806.01260, sec. 3 (eq. 3); the mask is ours.
    """
    if valid is None:
        mean = disp.mean((2, 3), keepdim=True)
    else:
        count = valid.sum((2, 3), keepdim=True).clamp(min=1)
        mean = torch.where(valid, disp, 0.0).sum((2, 3), keepdim=True) / count
    normalised = disp / (mean + MEAN_EPSILON)
    total = disp.new_zeros(())
    for axis in (2, 3):
        edge = image.diff(dim=axis).abs().mean(1, keepdim=True)
        steps = normalised.diff(dim=axis).abs() * torch.exp(-edge)
        total = total + masked_mean(steps, None if valid is None else smaller_end(valid, axis))
    return total
