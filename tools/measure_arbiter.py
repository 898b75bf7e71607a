"""How well the photometric arbiter finds errors planted in a teacher, on worlds: docs/results/arbiter.json.

usage: python tools/measure_arbiter.py OUT.json [MODEL]

The teacher is the truth, wrong by a factor of 1.25 to 2 (or its inverse) in patches that cover a fifth of
each picture. The student is a network (MODEL, or what is shipped) as it answers for target and neighbours.
AUROC of `doubt` for "planted here", over pixels that are judged; on movers apart.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from plant_errors import LEAST, MOST, blobs, smooth_noise

from lumde.data.augment import to_batch
from lumde.files import write_json
from lumde.losses.arbiter import ArbiterConfig
from lumde.methods.arbiter import Arbiter
from lumde.models import load
from lumde.nets.base import DepthNet
from lumde.worlds import VERSION
from lumde.worlds.clips import Order, render_world

SIZE = (96, 160)
WORLDS, FIRST_SEED = 24, 880_000
SETS = {"rooms": (0, 3, 6), "shapes": (0, 3, 6), "streets": (4, 5, 6)}  # frames: target between its sources


def main(out: Path, model: Path | None) -> None:
    """Measure every family, print and write."""
    student = load(model).eval().net
    found = {"worlds": WORLDS, "version": VERSION, "size": list(SIZE)}
    for family, frames in SETS.items():
        parts = [_world(family, FIRST_SEED + i, frames, student) for i in range(WORLDS)]
        doubt, planted, rejected, mover = (np.concatenate(values) for values in zip(*parts, strict=True))
        found[family] = {
            "judged": len(doubt) / (WORLDS * SIZE[0] * SIZE[1]),
            "auroc": _auroc(doubt, planted),
            "auroc_static": _auroc(doubt[~mover], planted[~mover]),
            "auroc_movers": _auroc(doubt[mover], planted[mover]) if mover.any() else None,
            "rejected_of_planted": float(rejected[planted].mean()),
            "rejected_of_clean": float(rejected[~planted].mean()),
            "rejected_of_clean_movers": float(rejected[~planted & mover].mean()) if mover.any() else None,
        }
        print(family, found[family])
    write_json(out, found)


def _world(family: str, seed: int, chosen: tuple[int, ...], student: DepthNet) -> tuple[np.ndarray, ...]:
    """Doubt, planted, rejected and mover of every judged pixel of a world's middle frame."""
    clip = render_world(Order(family, seed, chosen), *SIZE)
    pictures = torch.from_numpy(clip.images).permute(0, 3, 1, 2)
    truth = torch.from_numpy(clip.depth).float()[1][None, None]
    known = truth > 0
    factor, planted = _errors(np.random.default_rng(seed))
    teacher = torch.where(known, truth, 1.0) * factor
    frames = {
        "key": ["middle"],
        "image": pictures[1:2],
        "sources": pictures[None, [0, 2]],
        "intrinsics": torch.from_numpy(clip.intrinsics).float()[None],
    }
    batch = to_batch(frames, None, (), (-1, 1))
    with torch.inference_mode():
        arbiter = Arbiter(ArbiterConfig(), student, lambda net, *inputs: net(*inputs))
        verdict = arbiter.judge(batch, teacher, known)
    use = (known & (verdict.doubt != 0)).numpy().ravel()
    masks = (planted.numpy(), verdict.rejected.numpy(), clip.movers[1])
    return (verdict.doubt.numpy().ravel()[use], *(mask.ravel()[use] for mask in masks))


def _errors(draw: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """The factor by which a teacher is wrong at each pixel, and where it is."""
    planted, farther = blobs(draw, SIZE), smooth_noise(draw, SIZE) > 0
    factor = np.log(draw.uniform(LEAST, MOST)) * np.where(farther, 1.0, -1.0)
    errors = np.exp(np.where(planted, factor, 0.0)).astype(np.float32)
    return torch.from_numpy(errors)[None, None], torch.from_numpy(planted)[None, None]


def _auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Chance that a planted pixel is doubted more than one that is not."""
    ranks = scores.argsort().argsort() + 1.0
    count = int(positive.sum())
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(scores) - count)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
