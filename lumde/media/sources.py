"""What a user points at: an image, a folder of images, a glob or a video, read as one stream of frames."""

import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from lumde import files
from lumde.errors import DataError
from lumde.media import images
from lumde.media.cameras import Camera, assumed_camera, camera_from_focal, read_camera
from lumde.media.video import SUFFIXES as VIDEO_SUFFIXES
from lumde.media.video import VideoReader

_FOCAL_35MM_KEY = "focal_length.35mm"  # part of the QuickTime key that phones write
_WIDTH_35MM = 36.0
_QUARTER_TURNS = {1: 0, 3: 2, 6: 3, 8: 1}  # EXIF orientation -> counter-clockwise quarters to upright
TIME_NAME = re.compile(r"\d+\.\d+")  # seconds, as TUM RGB-D names its pictures
IMAGE_FOLDER, CAMERA_FILE = "image", "camera.yaml"  # of a sequence of a dataset folder


@dataclass(frozen=True)
class SourceFrame:
    """One frame of a source, upright."""

    name: str  # the picture's stem, or the frame's number in its video
    image: UInt8[np.ndarray, "h w 3"] | None  # None: could not be decoded (`damaged` is set)
    timestamp: float | None = None  # seconds; None for pictures
    damaged: bool = False
    path: Path | None = None  # the picture's file
    problem: str = ""  # why a picture could not be decoded


class Source:
    """Pictures in natural order. `kind` is "image", "folder" or "glob"."""

    def __init__(self, kind: str, paths: list[Path]) -> None:
        """Take the pictures in the order given."""
        self.kind, self.paths = kind, paths
        self.count: int | None = len(paths)
        self.frame_rate: float | None = None

    def frames(self, skip_broken: bool = False) -> Iterator[SourceFrame]:
        """Decode one picture after the other.

        Args:
            skip_broken: answer a picture that cannot be decoded as a damaged frame without image.

        Raises:
            DataError: a picture cannot be decoded (unless `skip_broken`).
        """
        for path in self.paths:
            try:
                yield SourceFrame(path.stem, images.read_image(path), path=path)
            except DataError as error:
                if not skip_broken:
                    raise
                yield SourceFrame(path.stem, None, damaged=True, path=path, problem=str(error))

    def camera(self) -> Camera:
        """Tell the camera of the first picture, as `image_camera` does."""
        return image_camera(self.paths[0])

    def turns(self, frame: SourceFrame) -> int:
        """Tell by how many quarters, counter-clockwise, a stored picture was turned to stand upright."""
        value = images.orientation(frame.path) if frame.path else 1
        if value not in _QUARTER_TURNS:
            raise DataError(
                f"{frame.path}: mirrored (EXIF orientation {value}); no camera file fits it; re-save it"
            )
        return _QUARTER_TURNS[value]


class VideoSource:
    """A video; `kind` is "video". Frames come at `fps`, or all of them."""

    kind = "video"

    def __init__(self, path: Path, fps: int | float | None = None) -> None:
        """Open the file; DataError if it cannot be decoded."""
        self.path = path
        self.reader = VideoReader(path, fps)
        rates = [rate for rate in (fps, self.reader.frame_rate) if rate]
        self.frame_rate = min(rates, default=None)  # a video gives no more than it has
        self.count: int | None = self.reader.count
        if self.count and fps and self.reader.frame_rate:
            self.count = max(1, round(self.count * min(1.0, fps / self.reader.frame_rate)))

    def frames(self, skip_broken: bool = False) -> Iterator[SourceFrame]:
        """Decode; damaged frames are marked, whatever `skip_broken` says; `reader` counts them."""
        for frame in self.reader:
            yield SourceFrame(f"{frame.index:06d}", frame.image, frame.timestamp, frame.damaged)

    def camera(self) -> Camera:
        """Guess the camera: the focal length that phones write into the container, else assumed."""
        width, height = self.reader.size
        for key, value in self.reader.metadata.items():
            if _FOCAL_35MM_KEY in key.lower() and value.replace(".", "", 1).isdigit() and float(value) > 0:
                focal_px = float(value) / _WIDTH_35MM * max(width, height)
                return _guess(focal_px, width, height, "container focal length")
        return assumed_camera(width, height)

    def turns(self, frame: SourceFrame) -> int:
        """Tell by how many quarters, counter-clockwise, all frames were turned to stand upright."""
        return self.reader.rotation // 90


def open_source(source: str | Path, fps: int | float | None = None) -> Source | VideoSource:
    """Tell by path and suffix what `source` is, and open it.

    Args:
        source: an image, a folder of images, a sequence of a dataset folder, a glob (expanded here, so it
            works quoted too) or a video.
        fps: thin a video to so many frames per second.

    Raises:
        DataError: nothing there, an empty folder, or a file that cannot be read.
    """
    path = Path(source)
    if path.is_dir():
        inner = path / IMAGE_FOLDER
        return Source("folder", folder_images(inner if inner.is_dir() else path))
    if path.is_file():
        return Source("image", [path]) if is_image(path) else VideoSource(path, fps)
    if glob.has_magic(str(source)):
        return _open_glob(str(source), fps)
    raise DataError(_not_there(path))


def expand(pattern: str) -> list[Path]:
    """Expand a glob to files in natural order (`**` included); DataError if nothing matches."""
    found = [Path(name) for name in glob.glob(pattern, recursive=True)]  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not found:
        raise DataError(f"{pattern}: matches nothing; check the pattern and the folder")
    return natural_order(found)


def natural_order(paths: list[Path]) -> list[Path]:
    """Sort paths so that `frame2` precedes `frame10`; where all are named by times, `1.15` before `1.2`."""
    if all(TIME_NAME.fullmatch(path.stem) for path in paths):
        return sorted(paths, key=lambda path: (files.natural_key(str(path.parent)), Decimal(path.stem)))
    return sorted(paths, key=lambda path: files.natural_key(str(path)))


def folder_images(folder: Path) -> list[Path]:
    """List a folder's pictures in natural order; DataError if there is none."""
    found = [path for path in folder.iterdir() if is_image(path) and path.is_file()]
    if not found and (sequences := [path for path in folder.iterdir() if (path / IMAGE_FOLDER).is_dir()]):
        raise DataError(f"{folder}: holds sequences; name one of them, such as {natural_order(sequences)[0]}")
    if not found:
        raise DataError(f"{folder}: holds no picture ({', '.join(images.SUFFIXES)}); is it another folder?")
    return natural_order(found)


def is_image(path: Path) -> bool:
    """Tell a picture by its suffix; hidden files are none."""
    return path.suffix.lower() in images.SUFFIXES and not path.name.startswith(".")


def is_video(path: Path) -> bool:
    """Tell a video by its suffix; hidden files are none."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def image_camera(path: Path) -> Camera:
    """Tell the camera of a picture: of its sequence's camera.yaml, else EXIF focal length, else assumed."""
    sequence = path.parent.parent if path.parent.name == IMAGE_FOLDER else path.parent
    if (sequence / CAMERA_FILE).is_file():
        return read_camera(sequence / CAMERA_FILE, images.image_size(path))
    return exif_camera(path)


def exif_camera(path: Path) -> Camera:
    """Tell the camera of a picture, seen upright: EXIF focal length, else assumed."""
    width, height = images.image_size(path)
    return _guess(images.exif_focal_px(path), width, height, "EXIF focal length")


def _guess(focal_px: float | None, width: int, height: int, source: str) -> Camera:
    """Use a focal length that a device wrote, unless there is none or it cannot be true."""
    try:
        return camera_from_focal(focal_px or 0.0, width, height, source)
    except DataError:
        return assumed_camera(width, height)


def _open_glob(pattern: str, fps: int | float | None) -> Source | VideoSource:
    found = [path for path in expand(pattern) if path.is_file()]
    pictures = [path for path in found if is_image(path)]
    if not pictures and len(found) == 1:
        return VideoSource(found[0], fps)
    if not pictures:
        raise DataError(f"{pattern}: matches no picture ({', '.join(images.SUFFIXES)}) and no single video")
    return Source("glob", pictures)


def _not_there(path: Path) -> str:
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, names, n=1)
    hint = f"did you mean {path.parent / close[0]}?" if close else "check the path"
    return f"{path}: no such file or folder; {hint}"
