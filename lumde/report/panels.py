"""One frame as a report shows it: picture, true depth, and each network's depth over its error map."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8

from lumde.pictures.depth import abs_rel_map, colour_depth, colour_error, depth_range

Picture = UInt8[np.ndarray, "_ _ 3"]


@dataclass
class Panel:
    """Pictures of one frame; `depths` and `errors` are keyed by row name, `teacher` first."""

    title: str
    image: Picture
    truth: Picture
    depths: dict[str, Picture]
    errors: dict[str, Picture]
    abs_rel: dict[str, float] = field(default_factory=dict)  # of this frame, after median scaling


def depth_panel(
    title: str,
    image: UInt8[np.ndarray, "h w 3"],
    truth: Float[np.ndarray, "h w"],
    depths: Mapping[str, Float[np.ndarray, "h w"]],
    max_depth: float = np.inf,
) -> Panel:
    """Colour one frame's depths on the truth's range, each scaled to the truth by the ratio of medians.

    Args:
        title: world and frame.
        image: what the networks saw.
        truth: metres, 0 = none.
        depths: network name -> depth in any unit, at the truth's size.
        max_depth: metres; truth beyond is neither coloured nor compared.
    """
    truth = np.where(np.isfinite(truth) & (truth <= max_depth), truth, 0.0)
    limits = depth_range([truth])
    panel = Panel(title, image, colour_depth(truth, limits), {}, {})
    for name, depth in depths.items():
        scaled = _median_scaled(depth, truth)
        error = abs_rel_map(scaled, truth)
        panel.depths[name] = colour_depth(scaled, limits)
        panel.errors[name] = colour_error(error)
        panel.abs_rel[name] = float(np.nanmean(error)) if np.isfinite(error).any() else float("nan")
    return panel


def _median_scaled(
    depth: Float[np.ndarray, "h w"], truth: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w"]:
    valid = (truth > 0) & np.isfinite(depth) & (depth > 0)
    return depth * (np.median(truth[valid]) / np.median(depth[valid])) if valid.any() else depth
