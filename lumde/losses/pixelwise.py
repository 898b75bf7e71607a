"""Per-pixel distances between a predicted and a given depth map.

Only pixels with a measurement (finite, > 0) count, whatever the mask says; without any, the loss is 0.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.losses.masked import masked_mean, measured, smaller_end


def log_l1(
    pred_depth: Float[Tensor, "b 1 h w"],
    target_depth: Float[Tensor, "b 1 h w"],
    valid: Bool[Tensor, "b 1 h w"] | None = None,
    weight: Float[Tensor, "b 1 h w"] | None = None,
    trim: float = 0.0,
) -> Float[Tensor, ""]:
    """Average |log pred - log target|: 0.1 means wrong by a factor of about 1.1.

    Args:
        pred_depth: metres, > 0.
        target_depth: in the unit of the prediction, 0 = no measurement.
        valid: further pixels to leave out; None = none.
        weight: by which pixels are averaged, 0 to 1; None = alike.
        trim: share of each picture's valid pixels, those of the largest differences, that is left out: where
            a target is wrong, a student that knows better should not follow. Ours.
    """
    difference, valid = _log_difference(pred_depth, target_depth, valid)
    distance = difference.abs()
    return masked_mean(distance, _without_worst(distance, valid, trim) if trim else valid, weight)


def aligned_log_l1(
    pred_depth: Float[Tensor, "b 1 h w"],
    target_depth: Float[Tensor, "b 1 h w"],
    valid: Bool[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, ""]:
    """`log_l1` after multiplying each map by the one factor that suits it best: its scale costs nothing.

    That factor is the median of the ratios, in between the middle two, where the average of |log difference|
    is least: moving it changes nothing, so no gradient is taken of it. Arguments as in `log_l1`.

    Source: the aim is that of Eigen et al. 2014, arXiv:1406.2283, sec. 3.2; L1, and so the median, is ours.
    """
    difference, valid = _log_difference(pred_depth, target_depth, valid)
    with torch.no_grad():
        known = torch.where(valid, difference, float("nan")).flatten(1)
        lower, upper = known.nanmedian(dim=1).values, -(-known).nanmedian(dim=1).values
        middle = ((lower + upper) / 2).nan_to_num()[:, None, None, None]
    return masked_mean((difference - middle).abs(), valid)


def inverse_l1(
    pred_depth: Float[Tensor, "b 1 h w"],
    target_depth: Float[Tensor, "b 1 h w"],
    valid: Bool[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, ""]:
    """Average |1 / pred - 1 / target|, 1/metres: near surfaces dominate. Arguments as in `log_l1`."""
    valid = measured(target_depth, valid)
    target_depth = torch.where(valid, target_depth, 1.0)
    return masked_mean((pred_depth.reciprocal() - target_depth.reciprocal()).abs(), valid)


def gradient_matching(
    pred_depth: Float[Tensor, "b 1 h w"],
    target_depth: Float[Tensor, "b 1 h w"],
    valid: Bool[Tensor, "b 1 h w"] | None = None,
    scales: int = 4,
    weight: Float[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, ""]:
    """Penalise steps of the log depth difference, so that edges sit where the target's are.

    Every second pixel is left out from one scale to the next; a common factor between the maps costs nothing.
    Arguments as in `log_l1`; a step weighs as its lighter end. Scales too small to hold a step add nothing.

    Source: Li and Snavely 2018, arXiv:1804.00607, sec. 4 (eq. 4). Averaging over steps and over `scales`,
    rather than summing, is ours: the value then hardly depends on either.
    """
    difference, valid = _log_difference(pred_depth, target_depth, valid)
    total = difference.sum() * 0.0
    for scale in range(scales):
        coarse = difference[..., :: 2**scale, :: 2**scale]
        coarse_valid = valid[..., :: 2**scale, :: 2**scale]
        coarse_weight = None if weight is None else weight[..., :: 2**scale, :: 2**scale]
        for axis in (2, 3):
            of_step = None if coarse_weight is None else smaller_end(coarse_weight, axis)
            steps = coarse.diff(dim=axis).abs()
            total = total + masked_mean(steps, smaller_end(coarse_valid, axis), of_step)
    return total / scales


@torch.no_grad()
def _without_worst(
    distance: Float[Tensor, "b 1 h w"], valid: Bool[Tensor, "b 1 h w"], trim: float
) -> Bool[Tensor, "b 1 h w"]:
    """Valid pixels but the share `trim` with the largest distances, of each picture."""
    best = torch.where(valid, distance, float("inf")).flatten(1).sort(dim=1).indices
    count = valid.flatten(1).sum(1, keepdim=True)
    kept = count - (trim * count).long()
    keep = torch.arange(best.shape[1], device=best.device) < kept
    return torch.zeros_like(keep).scatter(1, best, keep).view_as(valid)


def _log_difference(
    pred_depth: Tensor, target_depth: Tensor, valid: Tensor | None
) -> tuple[Float[Tensor, "b 1 h w"], Bool[Tensor, "b 1 h w"]]:
    valid = measured(target_depth, valid)
    difference = pred_depth.log() - torch.where(valid, target_depth, 1.0).log()
    return torch.where(valid, difference, 0.0), valid
