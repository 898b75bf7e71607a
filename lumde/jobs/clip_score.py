"""The score of a model on a clip without ground truth, for `lumde evaluate`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lumde.data.base import FrameDataset
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.errors import NothingUsable
from lumde.evaluators.parallax import survey
from lumde.models import load

SNIPPETS = 12  # that are looked at


def clip_score(path: Path, dataset: FrameDataset) -> dict[str, Any] | None:
    """How well a model explains the neighbours of the dataset's frames, which takes no ground truth.

    Returns:
        Fields of `ClipScore`, its `travel` and whether that suffices, and the distance of the sources in
        frames; None where frames have no neighbours.

    Raises:
        DataError: too many frames cannot be read.
    """
    if not any(dataset.neighbour(key, 1) for key in dataset.targets):
        return None
    model = load(path)
    height, width = model.input_size(*dataset.read_fields(dataset.targets[0], ()).image.shape[:2])

    def snippets_at(distance: int) -> Snippets:
        config = SnippetConfig(height=height, width=width, offsets=(-distance, distance))
        return Snippets(dataset, config, ("sources",))

    try:
        distance, score = survey(model.disparity, snippets_at, SNIPPETS)
    except NothingUsable:
        return None
    return {"distance": distance, **asdict(score), "travel": score.travel, "travels": score.travels}


def clip_line(clip: dict[str, Any]) -> str:
    """Tell a clip's score, and whether it tells anything."""
    line = (
        f"without truth: photometric error {clip['error']:.4f} (flat depth {clip['flat']:.4f}, turning only "
        f"{clip['turned']:.4f}, unmoved {clip['unmoved']:.4f}), sources {clip['distance']} frame(s) away, "
        f"{clip['parallax']:.1f} pixels of parallax; travel explains {max(0.0, clip['travel']):.0%} of what "
        "turning leaves"
    )
    if clip["travels"]:
        return line
    return f"{line}: the camera hardly travels, so this tells nothing of depth"
