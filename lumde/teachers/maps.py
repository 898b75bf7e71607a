"""Depth maps on disk as a teacher: what `lumde predict` wrote, or a folder of 16-bit PNG or npy files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lumde.errors import ConfigError, DataError
from lumde.files import BROKEN_NPY, inside, read_json, sha256
from lumde.media.depth_png import read_depth
from lumde.models import resize_disparity
from lumde.structures import WHOLE, FrameBatch, Unit
from lumde.teachers.base import Teacher, TeacherConfig
from lumde.teachers.foreign import LEAST, Polarity

FOLDERS = (("npy", ".npy"), ("depth", ".png"), ("", ".npy"), ("", ".png"))  # where a frame's map may lie
LOOKED_INTO = 16  # maps whose bytes tell this folder from another


class MapsTeacher(Teacher):
    """Stored maps, one per frame of the data set: nothing needs to run, any program may have made them."""

    gives = ("maps",)

    @dataclass(kw_only=True)
    class Config(TeacherConfig):
        """Where the maps lie and what they mean."""

        name: str = "maps"
        path: str  # output of `lumde predict`, or SEQUENCE/NAME.png|npy, or NAME.png|npy for one sequence
        answers: Literal["auto", "depth", "disparity"] = (
            "auto"  # auto: depth, if it does not look upside down
        )
        scale: float = 0.0  # values of a PNG per unit; 0 = as index.json says, which `lumde predict` writes
        affine: bool = False  # disparity is right only up to factor and shift; index.json may say so too
        unit: Literal["auto", "relative", "metres"] = "auto"  # auto: as index.json says, else relative

        def __post_init__(self) -> None:
            """Refuse a scale that turns depth around."""
            super().__post_init__()
            if self.scale < 0:
                raise ValueError(f"scale must not be negative, found {self.scale}")

    def __init__(self, config: Config) -> None:
        """Look at the folder; ConfigError if it is none."""
        super().__init__()
        self.config, self.root = config, Path(config.path)
        if not self.root.is_dir():
            raise ConfigError(f"teacher.path: {self.root}: no such folder of depth maps")
        facts = _facts(self.root)
        # What `lumde predict` wrote is depth, whatever it looks like.
        self.answers: Polarity | None = "depth" if facts else None
        if config.answers != "auto":
            self.answers = config.answers
        self.scale = config.scale or float(facts.get("png16_scale", 0))
        told: Unit = "metres" if facts.get("unit") == "metres" else "relative"
        self.unit = told if config.unit == "auto" else config.unit
        self.affine = config.affine or facts.get("affine") is True
        self._owners: dict[Path, str] = {}  # sequence whose frames a map was found for

    def facts(self) -> str:
        """How maps are read; the sizes of all that frames were found for, and the bytes of a few."""
        paths = sorted(self._owners)
        sizes = [f"{path.relative_to(self.root).as_posix()} {path.stat().st_size}" for path in paths]
        some = [sha256(path) for path in paths[:: max(1, len(paths) // LOOKED_INTO)]]
        return "\n".join([f"{self.answers} {self.scale} {self.affine} {self.unit}", *sizes, *some])

    def depth(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """Stored maps know frames, not pictures.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "teacher maps: stored maps answer for frames of the data set alone, not for pictures"
        )

    def look(self, frames: FrameBatch) -> Float[Tensor, "b 1 h w"]:
        """The maps of these frames at their size, mirrored where the frames are; 0 = nothing is known.

        Raises:
            DataError: a map is missing or cannot be read; the message names it.
        """
        size = (frames.image.shape[-2], frames.image.shape[-1])
        depth = torch.stack([self._depth(key, size) for key in frames.keys]).to(frames.image.device)
        return frames.mirrored(depth)

    def check(self, keys: Sequence[str]) -> None:
        """Look for the map of every frame before anything is learned.

        Raises:
            DataError: one is missing, or one file would have to serve frames of several sequences.
            ConfigError: nobody says how a PNG's values are to be read.
        """
        for key in keys:
            path = self._find(key)
            sequence = key.rpartition("/")[0]
            if self._owners.setdefault(path, sequence) != sequence:
                raise DataError(
                    f"{path}: is the map of frames of {self._owners[path]} and {sequence}; "
                    "use a folder for each"
                )
            if path.suffix == ".png" and not self.scale:
                raise ConfigError(f"teacher.scale: values of {path.name} per unit are not known; give them")

    def _depth(self, key: str, size: tuple[int, int]) -> Float[Tensor, "1 h w"]:
        """Resized as disparity; a pixel into which a hole mixes is one, and has depth 0."""
        values = self._values(self._find(key))
        known = np.isfinite(values) & (values > 0)
        if self.answers != "disparity":
            values = np.divide(1, values, out=np.zeros_like(values), where=known)
        disparity = resize_disparity(torch.from_numpy(np.where(known, values, 0))[None, None], size)[0]
        share = F.interpolate(
            torch.from_numpy(known)[None, None].float(), size, mode="bilinear", antialias=True
        )[0]
        return torch.where(share > WHOLE, 1 / disparity.clamp(min=LEAST), 0.0)

    def _find(self, key: str) -> Path:
        sequence, _, name = key.rpartition("/")
        for folder in (self.root / sequence if sequence else self.root, self.root):
            for kind, suffix in FOLDERS:
                path = folder / kind / f"{name}{suffix}"
                if path.is_file() and inside(self.root, str(path.relative_to(self.root))):
                    return path
        raise DataError(
            f"{self.root}: no depth map of frame {key} (looked for npy/, depth/ and {name}.png|npy)"
        )

    def _values(self, path: Path) -> Float[np.ndarray, "h w"]:
        if path.suffix == ".png":
            if not self.scale:
                raise ConfigError(f"teacher.scale: values of {path.name} per unit are not known; give them")
            return read_depth(path, self.scale)
        try:
            values = np.load(path, allow_pickle=False)
        except (OSError, *BROKEN_NPY) as error:
            raise DataError(f"{path}: not a readable .npy file ({error})") from error
        if values.ndim != 2 or values.dtype.kind != "f":
            raise DataError(f"{path}: floats [h, w] needed, found {values.dtype} {list(values.shape)}")
        return values.astype(np.float32)


def _facts(root: Path) -> dict[str, Any]:
    """What `lumde predict` wrote beside its maps, of the first sequence if there are several."""
    for path in (root / "index.json", *sorted(root.glob("**/index.json"))):
        if path.is_file():
            facts = read_json(path)
            return facts if isinstance(facts, dict) else {}
    return {}
