"""Bringing a prediction to the scale of the ground truth, before clamping."""

import numpy as np
from jaxtyping import Float

from lumde.errors import NumericsError

ALIGNMENTS: dict[str, str] = {
    "median": "each image's depth times median(truth) / median(prediction)",
    "scale_shift": "each image's disparity mapped by the line that fits 1/truth best in least squares",
    "dataset_scale": "one factor for the set: the median over images of median(truth) / median(prediction)",
    "none": "depth as predicted, in metres",
}


def invert(disparity: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Turn disparity into depth; 0 and below is infinitely far."""
    return np.divide(1.0, disparity, out=np.full_like(disparity, np.inf), where=disparity > 0)


def scale_ratio(disparity: Float[np.ndarray, " n"], depth: Float[np.ndarray, " n"], where: str) -> float:
    """Answer median(truth) / median(prediction) over one image's valid pixels, medians as numpy's.

    Raises:
        NumericsError: more than half of the prediction is infinitely far.
    """
    predicted = float(np.median(invert(disparity)))
    if not np.isfinite(predicted):
        raise NumericsError(f"{where}: more than half of the disparity is 0; is the file depth, or empty?")
    return float(np.median(depth)) / predicted


def fit_scale_shift(
    disparity: Float[np.ndarray, " n"], depth: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Answer depth after the least-squares line from disparity to 1/truth; a constant stays a constant.

    Where the fitted disparity is not positive the depth is infinite, which the protocol clamps.

    Source: the alignment of Ranftl et al. 2020, arXiv:1907.01341, sec. 5, on all valid pixels.
    """
    target = 1.0 / depth
    centred = disparity - disparity.mean()
    variance = float(np.mean(centred**2))
    slope = float(np.mean(centred * (target - target.mean()))) / variance if variance > 0 else 0.0
    return invert(target.mean() + slope * centred)
