"""Depth maps as distributions over depth bins, and how far two of them are apart."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.geometry.precision import full_precision
from lumde.losses.masked import masked_mean

Target = Literal["density", "softmax_of_density"]
LEAST = 1e-16  # density below which the paper's program sees none
NONE = -1000.0  # what it puts there before the softmax
TINY = 1e-12  # keeps the logarithm of a student's probability finite


@full_precision
def depth_distribution(
    depth: Float[Tensor, "b 1 h w"],
    centres: Float[Tensor, " k"],
    sigma: float,
    target: Target = "density",
    logarithmic: bool = True,
) -> Float[Tensor, "b k h w"]:
    """Spread every depth over bins by a normal density around it.

    Args:
        depth: > 0, in the unit of `centres`.
        centres: of the bins.
        sigma: of the density: natural logarithms of depth if `logarithmic`, else the unit of depth.
        target: "density" divides the densities by their sum; "softmax_of_density" takes their softmax, as the
            paper's program does, which makes a nearly flat distribution of every depth.
        logarithmic: the density is one of log depth (ours), else of depth (the paper's).

    Source: Choi et al. 2024, arXiv:2402.14340 (TIE-KD), its depth probability map.
    """
    places, middle = (centres.log(), depth.log()) if logarithmic else (centres, depth)
    distance = (places.view(1, -1, 1, 1) - middle) / sigma
    if target == "density":
        return (-0.5 * distance.square()).softmax(1)
    density = torch.exp(-0.5 * distance.square()) / (sigma * (2 * torch.pi) ** 0.5)
    return torch.where(density < LEAST, NONE, density).softmax(1)


@full_precision
def distribution_distance(
    pred: Float[Tensor, "b k h w"],
    target: Float[Tensor, "b k h w"],
    valid: Bool[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, ""]:
    """KL(target || pred) per pixel, averaged over valid pixels; 0 where both are equal.

    Source: Choi et al. 2024, arXiv:2402.14340, L_DPM.
    """
    ratio = (target + TINY).log() - (pred + TINY).log()
    return masked_mean((target * ratio).sum(1, keepdim=True), valid)
