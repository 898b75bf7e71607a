"""What lies in a dataset folder beside the pictures: sequences, dataset.yaml, manifest times, poses, gaps."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from lumde.config import parse
from lumde.data.recorded import list_images
from lumde.errors import ConfigError, DataError
from lumde.files import inside, natural_key, read_text, read_yaml
from lumde.media.depth_png import read_depth
from lumde.media.poses import read_tum
from lumde.media.sources import TIME_NAME

MAX_MANIFEST_BYTES = 500_000_000  # a million frames
GAP = 1.5  # steps longer than this many usual ones lack frames
SAME_RATE = 0.01  # by which two clocks that are one may seem to differ in rate
CUT = 1000  # positions between two pieces that have nothing to do with each other


@dataclass(kw_only=True)
class Description:
    """The content of dataset.yaml."""

    depth_scale: float | None = None  # stored values per metre
    min_depth: float | None = None  # metres
    max_depth: float | None = None
    splits: dict[str, tuple[str, ...]] = field(default_factory=dict)  # lines `sequence` or `sequence A:B`

    def __post_init__(self) -> None:
        """Refuse what is no scale and no range."""
        for name in ("depth_scale", "min_depth", "max_depth"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, found {value}")


def find_sequences(root: Path) -> dict[str, Path]:
    """Name -> folder of each sequence: `root` itself when it holds image/ or pictures, else its subfolders.

    Raises:
        DataError: nothing there that could be a sequence.
    """
    if root.is_file():
        raise DataError(f"{root}: is a file; `lumde prepare` makes a dataset folder of a video")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    if _is_sequence(root):
        return {root.resolve().name: root}
    folders = sorted((f for f in root.iterdir() if f.is_dir()), key=lambda f: natural_key(f.name))
    found = {folder.name: folder for folder in folders if _is_sequence(folder)}
    if not found:
        raise DataError(f"{root}: no sequence; expected <sequence>/image/*.jpg, image/*.jpg or pictures")
    return found


def image_folder(sequence: Path) -> Path:
    """Where the pictures of a sequence lie: its image/, or loose in it."""
    return sequence / "image" if (sequence / "image").is_dir() else sequence


def read_description(root: Path, sequence: Path) -> Description:
    """Read dataset.yaml of the root, overlaid by the sequence's own.

    Raises:
        DataError: unknown key, wrong type, not positive.
    """
    values: dict[str, Any] = {}
    path = root / "dataset.yaml"
    try:
        for path in dict.fromkeys((root / "dataset.yaml", sequence / "dataset.yaml")):
            if path.is_file():
                values.update(read_yaml(path) or {})
        return parse(values, Description)
    except (ConfigError, TypeError, ValueError) as error:
        raise DataError(f"{path}: {error}".replace(f"{path}: {path}:", f"{path}:")) from error


def likely_depth_scale(depth_png: Path) -> str:
    """Guess from stored values which unit they are in, for the error about a missing depth_scale."""
    stored = read_depth(depth_png, 1.0)
    measured = stored[stored > 0]
    if measured.size == 0:
        return "depth_scale: 1000 for millimetres, 256 for KITTI"
    median, wide = float(np.median(measured)), stored.shape[1] > 2.5 * stored.shape[0]
    scale = 256 if wide or measured.size < 0.3 * stored.size else 5000 if median > 8000 else 1000
    kind = {256: "KITTI", 5000: "TUM RGB-D", 1000: "millimetres"}[scale]
    return f"likely depth_scale: {scale} ({kind}: {depth_png.name} is then {median / scale:.2f} m away)"


def manifest_times(root: Path) -> dict[Path, float]:
    """Resolved picture -> seconds, from manifest.jsonl; empty without one.

    Raises:
        DataError: with file and line.
    """
    path = root / "manifest.jsonl"
    times: dict[Path, float] = {}
    if not path.is_file():
        return times
    for number, line in enumerate(read_text(path, MAX_MANIFEST_BYTES).splitlines(), start=1):
        try:
            entry = json.loads(line)
            name, time = entry["path"], entry.get("timestamp")
            if time is not None:
                times[inside(root, str(name)).resolve()] = float(time)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(
                f"{path}:{number}: no manifest entry ({error}); run `lumde prepare` again"
            ) from error
    return times


def seconds_from_names(names: list[str]) -> list[float] | None:
    """Read names that are times, as in TUM RGB-D: `1305031102.175304`. None where they are not."""
    return [float(name) for name in names] if all(map(TIME_NAME.fullmatch, names)) else None


def counts_from_names(names: list[str]) -> list[float] | None:
    """Read what names count: `frame_000012` -> 12. None where they do not.

    Where the text before the number changes, the count runs back: another piece begins.
    """
    parts = [re.fullmatch(r"(.*?)(\d{1,15})", name, re.DOTALL) for name in names]
    prefixes = [part.group(1) if part else None for part in parts]
    pieces = np.cumsum([i > 0 and prefixes[i] != prefixes[i - 1] for i in range(len(names))])
    if None in prefixes or pieces[-1] > 0.2 * len(names):
        return None
    numbers = [int(part.group(2)) for part in parts if part]
    firsts = {piece: numbers[i] for i, piece in reversed(list(enumerate(pieces.tolist())))}
    return [float(n - firsts[piece] - piece) for n, piece in zip(numbers, pieces.tolist(), strict=True)]


def positions_from_times(times: list[float] | None, count: int) -> list[int]:
    """Number the frames of a sequence so that missing ones leave a gap: one position per usual time step.

    A step within 1.5 usual (median) ones is one position; time that runs back begins another piece.
    """
    if times is None or count < 2:
        return list(range(count))
    steps = np.diff(np.asarray(times, np.float64))
    forward = steps[steps > 0]
    usual = float(np.median(forward)) if forward.size else 1.0
    missed = np.rint(np.minimum(steps / usual, CUT)).clip(2)
    moves = np.where(steps <= 0, CUT, np.where(steps > GAP * usual, missed, 1)).astype(np.int64)
    return [0, *np.cumsum(moves).tolist()]


def match_poses(path: Path, seconds: list[float] | None, count: int) -> Float[np.ndarray, "n 4 4"]:
    """Give every frame its world_from_camera: by time (within half a frame), else by order when counts agree.

    By order only where times say nothing against it: the frames have none, or the poses' are those of another
    clock, or count at another rate, and pass as the frames' do.

    Raises:
        DataError: neither works.
    """
    stamps, poses = read_tum(path)
    if seconds is None or count < 2:
        return _by_order(path, poses, count)
    wanted = np.asarray(seconds, np.float64)
    after = np.searchsorted(stamps, wanted).clip(1, max(1, len(stamps) - 1)).clip(max=len(stamps) - 1)
    before = np.maximum(after - 1, 0)
    closest = np.where(wanted - stamps[before] < stamps[after] - wanted, before, after)
    tolerance = 0.5 * float(np.median(np.abs(np.diff(wanted))))
    if (np.abs(stamps[closest] - wanted) <= tolerance).all():
        return poses[closest]
    matched = _by_order(path, poses, count)
    if doubt := _against_order(stamps, wanted, tolerance):
        raise DataError(
            f"{path}: {doubt}; give each pose the time of its frame, or number the lines 0, 1, 2 ... if they "
            "are in the order of the frames"
        )
    return matched


def _by_order(path: Path, poses: Float[np.ndarray, "m 4 4"], count: int) -> Float[np.ndarray, "n 4 4"]:
    if len(poses) != count:
        raise DataError(
            f"{path}: {len(poses)} poses for {count} frames, and times do not match either; give one line "
            "per frame, or the frames' times in manifest.jsonl"
        )
    return poses


def _against_order(stamps: Float[np.ndarray, " n"], wanted: Float[np.ndarray, " n"], tolerance: float) -> str:
    """What the times of as many poses as frames say against taking them in order; "" if nothing."""
    if (np.diff(stamps) == 1).all():
        return ""  # they are numbered, not timed
    rate, shift = np.polyfit(wanted - wanted[0], stamps, 1)
    late = stamps - stamps[0] - rate * (wanted - wanted[0])
    if rate <= 0 or np.ptp(late) > 2 * tolerance * rate:
        return "the poses' times do not pass as the frames' do"
    ahead = float(shift - wanted[0])
    if abs(rate - 1) < SAME_RATE and abs(ahead) < np.ptp(wanted):
        return f"the poses' times are {ahead:+.3g} s from the frames'"
    return ""


def _is_sequence(folder: Path) -> bool:
    return (folder / "image").is_dir() or bool(list_images(folder))
