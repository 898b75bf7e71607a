"""Depth and errors as colours. Ranges are arguments, never taken from a single picture: pictures compare."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from lumde.pictures.colours import colour

DEPTH_MAP = "turbo"  # near = red, far = blue
ERROR_MAP = "magma"  # right = black, wrong = bright
WORST_ERROR = 0.5  # abs_rel that gets the brightest colour


class DepthRange(NamedTuple):
    """Nearest and farthest depth of a colour scale, in the depth's own unit, 0 < near < far."""

    near: float
    far: float


def depth_range(
    depths: Iterable[Float[np.ndarray, "h w"]], percentiles: tuple[float, float] = (2, 98)
) -> DepthRange:
    """Choose one range for several maps: lowest near and highest far percentile of their valid pixels."""
    ends = []
    for depth in depths:
        valid = depth[np.isfinite(depth) & (depth > 0)]
        if valid.size:
            ends.append(np.percentile(valid, percentiles))
    if not ends:
        return DepthRange(1.0, 2.0)
    near, far = float(min(low for low, _ in ends)), float(max(high for _, high in ends))
    return DepthRange(near, max(far, near * 1.01))  # a flat map still has a scale


def colour_depth(
    depth: Float[np.ndarray, "h w"], limits: DepthRange, name: str = DEPTH_MAP
) -> UInt8[np.ndarray, "h w 3"]:
    """Colour depth on a logarithmic scale, near = the map's end; 0 and non-finite are grey."""
    valid = np.isfinite(depth) & (depth > 0)
    safe = np.where(valid, depth, limits.near)
    nearness = 1 - np.log(safe / limits.near) / np.log(limits.far / limits.near)
    return colour(np.where(valid, nearness, np.nan), name)


def abs_rel_map(pred: Float[np.ndarray, "h w"], target: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Compare per pixel: |pred - target| / target; NaN where either is 0, negative or not finite."""
    valid = np.isfinite(pred) & (pred > 0) & np.isfinite(target) & (target > 0)
    safe = np.where(valid, target, 1.0)
    return np.where(valid, np.abs(np.where(valid, pred, 1.0) - safe) / safe, np.nan)


def colour_error(error: Float[np.ndarray, "h w"], worst: float = WORST_ERROR) -> UInt8[np.ndarray, "h w 3"]:
    """Colour an error map from 0 (black) to `worst` and beyond (brightest); NaN is grey."""
    return colour(error / worst, ERROR_MAP)
