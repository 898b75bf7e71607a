"""What datasets in files have in common: frames by position, decoding only what is asked for."""

import re
from abc import abstractmethod
from pathlib import Path

from lumde.data.base import FrameDataset
from lumde.errors import ConfigError, DataError
from lumde.media.sources import is_image, natural_order
from lumde.structures import Frame, FrameKey


class RecordedDataset(FrameDataset):
    """Frames in files. Subclasses fill `names` and `targets`; positions missing in `names` are gaps."""

    names: dict[str, dict[int, str]]  # sequence -> position -> name

    def neighbour(self, key: FrameKey, offset: int) -> FrameKey | None:
        """The frame `offset` positions away, None beyond a sequence's end or where a frame is missing."""
        name = self.names[key.sequence].get(key.position + offset)
        return None if name is None else FrameKey(key.sequence, key.position + offset, name)

    def read(self, key: FrameKey) -> Frame:
        """Decode one frame with all that the dataset provides; DataError names a file that fails."""
        return self.read_fields(key, self.provides)

    @abstractmethod
    def read_fields(self, key: FrameKey, fields: tuple[str, ...]) -> Frame:
        """Decode the image, and of "depth", "pose", "mask" and "right" only `fields`: truth is slow."""

    def all_keys(self) -> list[FrameKey]:
        """Every frame, sequences and positions in their order."""
        return [
            FrameKey(sequence, position, name)
            for sequence, names in self.names.items()
            for position, name in names.items()
        ]


def list_images(folder: Path) -> dict[str, Path]:
    """Stem -> file of the images directly in `folder`, in natural order; hidden files are skipped.

    Raises:
        DataError: two files of one stem, say 1.jpg and 1.png: which is the frame?
    """
    found: dict[str, Path] = {}
    for file in natural_order(
        [path for path in folder.iterdir() if is_image(path)] if folder.is_dir() else []
    ):
        if (other := found.setdefault(file.stem, file)) != file:
            raise DataError(f"{folder}: holds {other.name} and {file.name}; keep one of them")
    return found


def parse_ranges(text: str) -> list[slice]:
    """Read ranges of frames with commas between them, `A:B,C:D`; ConfigError as `parse_range`."""
    parts = text.split(",")
    if len(parts) > 1 and not all(parts):
        raise ConfigError(f"frames {text!r}: a range is missing beside a comma")
    return [parse_range(part) for part in parts]


def parse_range(text: str) -> slice:
    """Read a range `A:B` of frames, B excluded; either end may be missing.

    Raises:
        ConfigError: not of that form, or empty.
    """
    match = re.fullmatch(r"(\d*):(\d*)", text)
    if text and not match:
        raise ConfigError(f"frames {text!r}: write A:B, e.g. 60:250 (first frame is 0, B is excluded)")
    start, stop = (int(end) if end else None for end in match.groups()) if match else (None, None)
    if start is not None and stop is not None and start >= stop:
        raise ConfigError(f"frames {text!r}: holds no frame; A must be smaller than B")
    return slice(start, stop)
