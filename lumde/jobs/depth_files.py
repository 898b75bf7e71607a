"""The files that hold one frame's depth: written whole or not at all, and recognised as whole again."""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lumde import files
from lumde.errors import DataError
from lumde.geometry.camera import backproject
from lumde.media import images
from lumde.media.depth_png import LARGEST, encode_depth, read_depth
from lumde.media.ply import write_ply

FOLDERS = {"png16": ("depth", ".png"), "npy": ("npy", ".npy"), "ply": ("points", ".ply")}
KITTI_SCALE = 256.0  # values per metre
FAR_FACTOR = 10.0  # points beyond this many times the frame's lower-quartile depth are sky or guesses
_PLY_VERTEX_BYTES = 15
_PIXEL_BYTES = {"png16": 2, "npy": 4, "ply": _PLY_VERTEX_BYTES}

Depth = Float[np.ndarray, "h w"]


@dataclass(frozen=True)
class DepthFiles:
    """Where and how the depth of every frame of one source is stored."""

    out: Path
    formats: tuple[str, ...]  # of FOLDERS
    unit: str  # "relative" or "metres"
    scale: float  # PNG values per unit, one for all frames

    def path(self, kind: str, name: str) -> Path:
        """File of one frame."""
        folder, suffix = FOLDERS[kind]
        return self.out / folder / f"{name}{suffix}"

    def make_folders(self) -> None:
        """Create the folders of the formats."""
        for kind in self.formats:
            self.path(kind, "x").parent.mkdir(exist_ok=True)

    def bytes_per_frame(self, width: int, height: int) -> int:
        """Upper bound of what one frame takes on disk."""
        return sum(_PIXEL_BYTES[kind] for kind in self.formats) * width * height

    def write(
        self, name: str, depth: Depth, image: UInt8[np.ndarray, "h w 3"], intrinsics: Float[np.ndarray, "3 3"]
    ) -> None:
        """Write the frame in every format, each file atomically."""
        if "png16" in self.formats:
            files.write_bytes(self.path("png16", name), self._png16(depth))
        if "npy" in self.formats:
            buffer = io.BytesIO()
            np.save(buffer, depth.astype(np.float32), allow_pickle=False)
            files.write_bytes(self.path("npy", name), buffer.getvalue())
        if "ply" in self.formats:
            write_ply(self.path("ply", name), *point_cloud(depth, image, intrinsics))

    def read(self, name: str) -> Depth | None:
        """Read a whole frame's depth back, None where no format holds it."""
        if "npy" in self.formats:
            return np.load(self.path("npy", name), allow_pickle=False)
        return read_depth(self.path("png16", name), self.scale) if "png16" in self.formats else None

    def is_whole(self, name: str, shape: tuple[int, int], newer_than: Path | None = None) -> bool:
        """Whether every format's file of the frame is there, undamaged, of this shape, unit and scale.

        And no older than its picture, which may have been replaced.
        """
        checks = {"png16": self._whole_png16, "npy": _whole_npy, "ply": _whole_ply}
        paths = {kind: self.path(kind, name) for kind in self.formats}
        if newer_than is not None:
            changed = newer_than.stat().st_mtime_ns
            if any(path.exists() and path.stat().st_mtime_ns < changed for path in paths.values()):
                return False
        return all(checks[kind](path, shape) for kind, path in paths.items())

    def bytes_there(self) -> int:
        """What files of earlier frames take on the disk."""
        folders = {self.path(kind, "x").parent for kind in self.formats}
        return sum(file.stat().st_size for folder in folders if folder.is_dir() for file in folder.iterdir())

    def _png16(self, depth: Depth) -> bytes:
        stored, _ = encode_depth(depth, self.scale)
        text = PngInfo()
        for key, value in self._text().items():
            text.add_text(key, value)
        buffer = io.BytesIO()
        Image.fromarray(stored).save(buffer, "PNG", pnginfo=text, compress_level=4)
        return buffer.getvalue()

    def _text(self) -> dict[str, str]:
        return {
            "Unit": self.unit,
            "Scale": repr(self.scale),
            "Description": f"depth along z = value / {self.scale:g}, {self.unit}; 0 = none",
        }

    def _whole_png16(self, path: Path, shape: tuple[int, int]) -> bool:
        try:
            with images.opened(path, formats=("PNG",)) as image:
                image.load()
                return image.size == shape[::-1] and self._text().items() <= dict(image.info).items()
        except DataError:
            return False


def png16_scale(unit: str, max_depth: int | float) -> float:
    """Choose values per unit: the largest power of two that fits `max_depth`; for metres at most KITTI's."""
    scale = 2.0 ** np.floor(np.log2(LARGEST / max_depth))
    return float(min(scale, KITTI_SCALE) if unit == "metres" else scale)


def point_cloud(
    depth: Depth, image: UInt8[np.ndarray, "h w 3"], intrinsics: Float[np.ndarray, "3 3"]
) -> tuple[Float[np.ndarray, "n 3"], UInt8[np.ndarray, "n 3"]]:
    """Back-project into camera coordinates (x right, y down, z forward), leaving out what is far as sky."""
    points = backproject(
        torch.from_numpy(depth.astype(np.float32))[None, None],
        torch.from_numpy(intrinsics.astype(np.float32))[None],
    )
    valid = np.isfinite(depth) & (depth > 0)
    if valid.any():
        valid &= depth <= FAR_FACTOR * np.quantile(depth[valid], 0.25)
    return points[0].permute(1, 2, 0).numpy()[valid], image[valid]


def _whole_npy(path: Path, shape: tuple[int, int]) -> bool:
    try:
        depth = np.load(path, allow_pickle=False)
    except (OSError, *files.BROKEN_NPY):
        return False
    return depth.shape == shape and depth.dtype == np.float32 and bool(np.isfinite(depth).all())


def _whole_ply(path: Path, shape: tuple[int, int]) -> bool:
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
    except OSError:
        return False
    count = re.search(rb"\nelement vertex (\d+)\n", head)
    header, end, _ = head.partition(b"end_header\n")
    if not (count and end):
        return False
    points = int(count[1])
    size = len(header + end) + points * _PLY_VERTEX_BYTES
    return points <= shape[0] * shape[1] and path.stat().st_size == size
