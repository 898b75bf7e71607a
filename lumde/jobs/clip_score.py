"""The score of a model on a clip without ground truth, for `lumde evaluate`."""

import math
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from lumde.data.base import FrameDataset
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.errors import NothingUsable
from lumde.evaluators.corners import Corners, joint_score
from lumde.evaluators.parallax import survey
from lumde.models import load

SNIPPETS = 12  # that are looked at


def clip_score(path: Path, dataset: FrameDataset) -> dict[str, Any] | None:
    """How well a model explains the neighbours of the dataset's frames, which takes no ground truth.

    Returns:
        Fields of `ClipScore`, its `travel` and whether that suffices, the distance of the sources in frames,
        `corners`: fields of `CornerScore`, and `joint`: the score that ranks networks on one clip; both None
        where the camera hardly travels, too little can be triangulated, or the network's disparity has an
        unknown shift. None where frames have no neighbours.

    Raises:
        DataError: too many frames cannot be read.
    """
    if not any(dataset.neighbour(key, 1) for key in dataset.targets):
        return None
    model = load(path)
    height, width = model.input_size(*dataset.read_fields(dataset.targets[0], ()).image.shape[:2])

    @cache  # frames that the survey has read serve the corners too
    def snippets_at(distance: int) -> Snippets:
        config = SnippetConfig(height=height, width=width, offsets=(-distance, distance))
        return Snippets(dataset, config, ("sources",))

    try:
        distance, score = survey(model.disparity, snippets_at, SNIPPETS)
    except NothingUsable:
        return None
    facts = {"distance": distance, **asdict(score), "travel": score.travel, "travels": score.travels}
    fit = score.travels and not model.config.affine
    corners = Corners(snippets_at(distance), SNIPPETS).score(model.disparity) if fit else None
    if corners is None:
        return facts | {"corners": None, "joint": None}
    return facts | {"corners": asdict(corners), "joint": joint_score(score.error, corners.abs_rel)}


def clip_line(clip: dict[str, Any]) -> str:
    """Tell a clip's score, and whether it tells anything."""
    line = (
        f"without truth: photometric error {clip['error']:.4f} (flat depth {clip['flat']:.4f}, turning only "
        f"{clip['turned']:.4f}, unmoved {clip['unmoved']:.4f}), sources {clip['distance']} frame(s) away, "
        f"{clip['parallax']:.1f} pixels of parallax; travel explains {max(0.0, clip['travel']):.0%} of what "
        "turning leaves"
    )
    if not clip["travels"]:
        return f"{line}: the camera hardly travels, so this tells nothing of depth"
    if not (corners := clip["corners"]):
        return (
            f"{line}; how far off depth is cannot be told: too few corners can be triangulated, or the "
            "network's disparity has an unknown shift"
        )
    return (
        f"{line}\nwithout truth: depth is off by {corners['abs_rel']:.0%} (abs_rel, median-scaled) at "
        f"corners that the clip itself triangulates, {corners['points']:.0f} in each of "
        f"{len(corners['errors'])} frames; its scale changes by {math.expm1(corners['drift']):.1%} "
        f"between a frame and its sources; joint score {clip['joint']:.4f}, to rank networks by on this clip "
        "at this distance"
    )
