"""Accuracy of a depth map against measurements: the seven figures of the KITTI literature, and log10.

numpy in double precision: the third digit is what is published.
"""

import numpy as np
from jaxtyping import Float
from torch import Tensor

Values = Float[np.ndarray, " n"] | Float[Tensor, " n"]


def depth_metrics(pred: Values, target: Values) -> dict[str, float]:
    """Compare predicted with measured depths of one picture.

    Args:
        pred: metres, > 0, already masked, scaled and clamped.
        target: metres, > 0, the same pixels.

    Returns:
        `abs_rel`, `sq_rel` (metres), `rmse` (metres), `rmse_log` (natural), `log10`, and `a1`, `a2`, `a3`:
        the share with max(pred / target, target / pred) < 1.25, 1.25^2, 1.25^3, strictly.

    Raises:
        ValueError: without values, or with one that is not finite and positive.

    Source: Eigen et al. 2014, arXiv:1406.2283, sec. 4.
    """
    predicted, measured = _checked(pred, "pred"), _checked(target, "target")
    difference = predicted - measured
    log_difference = np.log(predicted) - np.log(measured)
    ratio = np.maximum(predicted / measured, measured / predicted)
    figures = {
        "abs_rel": np.mean(np.abs(difference) / measured),
        "sq_rel": np.mean(difference**2 / measured),
        "rmse": np.sqrt(np.mean(difference**2)),
        "rmse_log": np.sqrt(np.mean(log_difference**2)),
        "a1": np.mean(ratio < 1.25),
        "a2": np.mean(ratio < 1.25**2),
        "a3": np.mean(ratio < 1.25**3),
        "log10": np.mean(np.abs(log_difference)) / np.log(10),
    }
    return {name: float(figure) for name, figure in figures.items()}


def _checked(values: Values, name: str) -> Float[np.ndarray, " n"]:
    array = (
        values.detach().cpu().double().numpy() if isinstance(values, Tensor) else values.astype(np.float64)
    )
    if array.size == 0:
        raise ValueError(f"{name} holds no value: no measured pixel is left to compare")
    if not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(f"{name} holds values that are not finite and positive; mask and clamp it first")
    return array
