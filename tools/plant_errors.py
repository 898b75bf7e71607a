"""Teachers with planted errors: the exact depth of a study's frames as maps, whole and damaged.

usage: python tools/plant_errors.py STUDY.yaml OUT      OUT/clean, OUT/patches, OUT/dark: maps of a teacher

patches: a fifth of each picture is told 1.25 to 2 times its depth, the same places in all frames of a clip.
dark: the darkest fifth of each picture is, by the same factors. That can be learned from the pictures alone.
Maps are of the worlds as they are now: make them anew, elsewhere, when the generator changes.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8

from lumde.config import load
from lumde.data import DATASETS
from lumde.jobs.study import StudyConfig, config_of
from lumde.registry import build

PLANTED = 0.2  # of the area
LEAST, MOST = 1.25, 2.0  # factors
CELL = 16  # pixels of a patch's grain


def main(path: Path, out: Path) -> None:
    """Store the maps of every frame that the study's first row learns from."""
    study = load(path, StudyConfig, [f"root={out}"])
    dataset = build(DATASETS, config_of(study, next(iter(study.rows)), path.parent, out).data)
    for key in dataset.targets:
        frame = dataset.read_fields(key, ("depth",))
        draw = np.random.default_rng(_number(key.sequence))
        factor, where = draw.uniform(LEAST, MOST), blobs(draw, frame.depth.shape)
        for kind, wrong in (("clean", None), ("patches", where), ("dark", darkest(frame.image))):
            depth = frame.depth if wrong is None else np.where(wrong, factor, 1.0) * frame.depth
            file = out / kind / key.sequence / f"{key.name}.npy"
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, depth.astype(np.float32))


def blobs(draw: np.random.Generator, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Smooth patches that cover a fifth of a picture."""
    field = smooth_noise(draw, size)
    return field > np.quantile(field, 1 - PLANTED)


def smooth_noise(draw: np.random.Generator, size: tuple[int, int]) -> Float[np.ndarray, "h w"]:
    """Noise without detail below CELL pixels."""
    coarse = draw.standard_normal((1, 1, size[0] // CELL, size[1] // CELL))
    return F.interpolate(torch.from_numpy(coarse), size, mode="bicubic")[0, 0].numpy()


def darkest(image: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """The fifth of a picture whose surroundings are darkest."""
    grey: Float[torch.Tensor, "1 1 h w"] = torch.from_numpy(image).float().mean(2)[None, None]
    smooth = F.avg_pool2d(grey, 5, 1, 2, count_include_pad=False)[0, 0].numpy()
    return smooth < np.quantile(smooth, PLANTED)


def _number(name: str) -> int:
    return int.from_bytes(name.encode(), "big")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
