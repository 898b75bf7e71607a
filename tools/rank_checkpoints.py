"""Do the scores without ground truth choose as the truth would? Ranks networks by all. Resumes.

usage: python tools/rank_checkpoints.py RECORDINGS OUT MODEL ...      OUT/ranking.json: all, correlated

Photometric error, abs_rel at triangulated corners, and their geometric mean, against abs_rel. Every network
sees the same frames: procedural worlds of four families, mixed and apart; kitchen, 100-249.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lumde.data.frames import Frames
from lumde.data.recorded import parse_range
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.data.synthetic import Synthetic
from lumde.evaluators.corners import Corners, joint_score
from lumde.evaluators.parallax import clip_error, evenly
from lumde.files import write_json
from lumde.models import load, resize_disparity
from lumde.worlds import VERSION

SNIPPETS = 48
FARTHEST = 80.0  # metres
FAMILIES = ("rooms", "wide_streets", "shapes", "streets")
SCORES = ("error", "corners", "joint", "drift")  # without ground truth
FIELDS = ("depth", "mask", "sources")


def main(recordings: Path, out: Path, models: list[Path]) -> None:
    """Score what has no score yet, then correlate."""
    clips = {"worlds": _worlds(FAMILIES), "kitchen": _kitchen(recordings)}
    clips |= {f"worlds: {family}": _worlds((family,)) for family in FAMILIES}
    corners = {name: Corners(clip, SNIPPETS) for name, clip in clips.items()}
    out.mkdir(parents=True, exist_ok=True)
    result = out / "ranking.json"
    found = json.loads(result.read_text(encoding="utf-8"))["scores"] if result.exists() else {}
    scores = {name: entry for name, entry in found.items() if set(SCORES) <= set(entry["kitchen"])}
    for path in models:
        if str(path) not in scores:
            scores[str(path)] = {name: _scores(path, clip, corners[name]) for name, clip in clips.items()}
            print(path, scores[str(path)], flush=True)
        if len(scores) > 2:
            write_json(result, {"generator": VERSION, "spearman": _spearman(scores), "scores": scores})
    print(_spearman(scores))


def _worlds(families: tuple[str, ...]) -> Snippets:
    worlds = Synthetic(
        Synthetic.Config(
            families=families,
            worlds=6 * len(families),
            frames=5,
            every=2,
            seed=77,
            height=96,
            width=160,
            look=True,
        )
    )
    return Snippets(worlds, SnippetConfig(height=96, width=160, offsets=(-2, 2)), FIELDS)


def _kitchen(recordings: Path) -> Snippets:
    dataset = Frames(Frames.Config(root=str(recordings / "indoor")))
    positions = range(sys.maxsize)[parse_range("100:250")]
    dataset.targets = [key for key in dataset.targets if key.position in positions]
    return Snippets(dataset, SnippetConfig(height=96, width=128, offsets=(-3, 3)), FIELDS)


def _scores(path: Path, clip: Snippets, corners: Corners) -> dict[str, float]:
    """Scores without truth and abs_rel with it, on the same frames."""
    model = load(path).eval()

    def disparity(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        return resize_disparity(model.disparity(images), (images.shape[-2], images.shape[-1]))

    error, score = clip_error(disparity, clip, SNIPPETS), corners.score(disparity)
    assert score is not None  # these clips have corners
    return {
        "error": error,
        "corners": score.abs_rel,
        "joint": joint_score(error, score.abs_rel),
        "drift": score.drift,
        "abs_rel": _abs_rel(disparity, clip),
    }


@torch.inference_mode()
def _abs_rel(disparity: Callable[[Tensor], Tensor], clip: Snippets) -> float:
    """Median-scaled, mean over frames."""
    found = []
    for sample in evenly(clip, SNIPPETS):
        depth, truth = (1 / disparity(sample["image"][None].float() / 255))[0, 0], sample["depth"][0]
        known = (truth > 0) & (truth < FARTHEST)
        depth, truth = depth[known].numpy(), truth[known].numpy()
        if len(truth):
            found.append(np.mean(np.abs(depth * (np.median(truth) / np.median(depth)) - truth) / truth))
    return float(np.mean(found))


def _spearman(scores: dict[str, dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Correlation of ranks per clip and score; values that are equal do not happen."""

    def ranks(clip: str, name: str) -> np.ndarray:
        return np.argsort(np.argsort([entry[clip][name] for entry in scores.values()]))

    clips = next(iter(scores.values()))
    return {
        clip: {name: float(np.corrcoef(ranks(clip, name), ranks(clip, "abs_rel"))[0, 1]) for name in SCORES}
        for clip in clips
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [Path(path) for path in sys.argv[3:]])
