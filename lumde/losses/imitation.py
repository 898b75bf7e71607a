"""Whole-map distances between a student's depth and a teacher's, each as its paper defines it.

Only pixels with a measurement (finite, > 0) count, whatever the mask says; without any, the loss is 0.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.geometry.precision import full_precision
from lumde.losses.masked import masked_mean, measured

LOG_OFFSET = 0.5  # metres: errors far below it cost in proportion, far above it by their logarithm
WINDOW, WINDOW_SIGMA = 11, 1.5  # pixels, of the structural loss
STRUCTURE_C1, STRUCTURE_C2 = 1e-4, 9e-4


@full_precision
def three_term(
    pred_depth: Float[Tensor, "b 1 h w"],
    target_depth: Float[Tensor, "b 1 h w"],
    valid: Bool[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, ""]:
    """Logarithmic errors of depth and of its Sobel derivatives, and the angle between normals.

    mean ln(|d - g| + .5) + mean [ln(|dx| + .5) + ln(|dy| + .5)] + mean |1 - cos(n_d, n_g)|, where dx and dy
    are the derivatives of d - g and n = (-dx, -dy, 1). It is 3 ln .5 = -2.08 where the maps are equal.

    Args:
        pred_depth: metres, true or nominal: the offset .5 is one.
        target_depth: metres, 0 = no measurement.
        valid: further pixels to leave out; None = none. A derivative counts where all nine pixels do.

    Source: Hu et al. 2019, arXiv:1803.08673, sec. 3.2, with equal weights and alpha = .5. That the
    distillation of Hu et al. 2021, arXiv:2105.06143, uses it unchanged is our reading.
    """
    valid = measured(target_depth, valid)
    target_depth = torch.where(valid, target_depth, 1.0)
    pred_depth = torch.where(valid, pred_depth, 1.0)
    error = ((pred_depth - target_depth).abs() + LOG_OFFSET).log()
    inner = -F.max_pool2d(-F.pad(valid.float(), (1, 1, 1, 1)), 3, stride=1) > 0
    ours, theirs = _sobel(pred_depth), _sobel(target_depth)
    slope = ((ours - theirs).abs() + LOG_OFFSET).log().sum(1, keepdim=True)
    lengths = (1 + ours.square().sum(1, keepdim=True)) * (1 + theirs.square().sum(1, keepdim=True))
    cosine = (1 + (ours * theirs).sum(1, keepdim=True)) / lengths.sqrt()
    return masked_mean(error, valid) + masked_mean(slope, inner) + masked_mean(1 - cosine, inner)


def scale_invariant(
    pred_depth: Float[Tensor, "b 1 h w"],
    target_depth: Float[Tensor, "b 1 h w"],
    valid: Bool[Tensor, "b 1 h w"] | None = None,
    share: float = 0.5,
) -> Float[Tensor, ""]:
    """mean e^2 - share (mean e)^2 of the log difference e, per image, then the mean over images with pixels.

    Args:
        pred_depth: > 0.
        target_depth: 0 = no measurement.
        valid: further pixels to leave out; None = none.
        share: of a common factor that costs nothing: 1 = all of it, 0 = plain squared error.

    Source: Eigen et al. 2014, arXiv:1406.2283, eq. 4 (share = lambda = .5).
    """
    valid = measured(target_depth, valid)
    use = valid.to(pred_depth.dtype)
    error = use * (torch.where(valid, pred_depth, 1.0) / torch.where(valid, target_depth, 1.0)).log()
    found = use.sum((1, 2, 3))
    count = found.clamp(min=1)
    mean, squares = error.sum((1, 2, 3)) / count, error.square().sum((1, 2, 3)) / count
    return (squares - share * mean.square()).sum() / (found > 0).sum().clamp(min=1)  # others add nothing


def affine_invariant(
    pred_depth: Float[Tensor, "b 1 h w"],
    target_depth: Float[Tensor, "b 1 h w"],
    valid: Bool[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, ""]:
    """Average |difference| of inverse depths after shift and scale were taken out of each map of each image.

    The shift is the median, the scale the mean distance to it. For teachers that know disparity only up to
    both, as most foundation models do. Arguments as in `scale_invariant`.

    Source: Ranftl et al. 2022, arXiv:1907.01341, eq. 5 to 7.
    """
    valid = measured(target_depth, valid)
    ours, theirs = (
        _standardised(1 / torch.where(valid, depth, 1.0), valid) for depth in (pred_depth, target_depth)
    )
    return masked_mean((ours - theirs).abs(), valid)


@full_precision
def structural(
    pred_depth: Float[Tensor, "b 1 h w"],
    target_depth: Float[Tensor, "b 1 h w"],
    valid: Bool[Tensor, "b 1 h w"] | None = None,
    normalise: bool = True,
) -> Float[Tensor, ""]:
    """1 - SSIM of two depth maps in 11 x 11 Gaussian windows; 0 = equal.

    Args:
        pred_depth: > 0.
        target_depth: 0 = no measurement.
        valid: further pixels to leave out; None = none. They are given the target's mean.
        normalise: divide both maps by the target's largest depth of each image, for the constants of SSIM
            assume values in [0, 1], and let relief that is turned inside out cost most (ours); False = metres
            as they are and the absolute covariance, as the paper's program does.

    Source: Choi et al. 2024, arXiv:2402.14340 (TIE-KD), L_depth; absolute variances as in its program.
    """
    valid = measured(target_depth, valid)
    known = torch.where(valid, target_depth, 0.0)
    mean = known.sum((1, 2, 3), keepdim=True) / valid.sum((1, 2, 3), keepdim=True).clamp(min=1)
    target_depth = torch.where(valid, target_depth, mean)
    pred_depth = torch.where(valid, pred_depth, mean)
    if normalise:
        largest = known.amax((1, 2, 3), keepdim=True).clamp(min=1e-6)
        pred_depth, target_depth = pred_depth / largest, target_depth / largest
    mean_a, mean_b = _windowed(pred_depth), _windowed(target_depth)
    variance_a = (_windowed(pred_depth.square()) - mean_a.square()).abs()
    variance_b = (_windowed(target_depth.square()) - mean_b.square()).abs()
    covariance = _windowed(pred_depth * target_depth) - mean_a * mean_b
    if not normalise:
        covariance = covariance.abs()
    likeness = (2 * mean_a * mean_b + STRUCTURE_C1) * (2 * covariance + STRUCTURE_C2)
    most = (mean_a.square() + mean_b.square() + STRUCTURE_C1) * (variance_a + variance_b + STRUCTURE_C2)
    return masked_mean(1 - likeness / most, valid)


def _sobel(depth: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 2 h w"]:
    """Derivatives along x and y, unnormalised as Sobel's; the border repeats its pixels."""
    across = depth.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    kernels = torch.stack((across, across.T))[:, None]
    return F.conv2d(F.pad(depth, (1, 1, 1, 1), mode="replicate"), kernels)


def _standardised(disparity: Tensor, valid: Tensor) -> Tensor:
    """Shift and scale of each image taken out over its valid pixels."""
    known = torch.where(valid, disparity, float("nan")).flatten(1)
    middle = known.nanmedian(dim=1).values.nan_to_num()[:, None, None, None]
    use = valid.to(disparity.dtype)
    count = use.sum((1, 2, 3), keepdim=True).clamp(min=1)
    spread = (use * (disparity - middle).abs()).sum((1, 2, 3), keepdim=True) / count
    return (disparity - middle) / spread.clamp(min=1e-6)


def _windowed(x: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Gaussian mean, one axis after the other; beyond the border its pixels are repeated."""
    half = WINDOW // 2
    weights = torch.exp(
        -0.5 * (torch.arange(-half, half + 1, dtype=x.dtype, device=x.device) / WINDOW_SIGMA) ** 2
    )
    weights = weights / weights.sum()
    padded = F.pad(x, (half, half, half, half), mode="replicate")
    return F.conv2d(F.conv2d(padded, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))
