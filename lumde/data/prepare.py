"""Recordings to a dataset folder: frames by timestamps, pinhole cameras, a manifest; all of it or nothing.

Where frames are damaged, missing in time or of another size, the recording is broken: what follows becomes a
sequence of its own, `<name>_part2`, so that no reader can take two frames for neighbours that are not.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from lumde import files
from lumde.data.damage import SHARE, most_damaged
from lumde.data.rectify import Rectifier
from lumde.errors import DataError, UsageError
from lumde.media import images
from lumde.media.camera_checks import check_intrinsics
from lumde.media.camera_turns import upright_camera
from lumde.media.cameras import (
    Camera,
    camera_from_focal,
    camera_from_fov,
    fitted,
    read_camera,
    write_camera,
)
from lumde.media.recordings import Recording, find_recordings
from lumde.media.sources import SourceFrame, VideoSource, image_camera
from lumde.progress import Progress, silent

GAP_INTERVALS = 3.0  # a longer step between timestamps breaks the sequence
BYTES_PER_PIXEL = 0.5  # of a JPEG at quality 95, generously


@dataclass(kw_only=True)
class PrepareOptions:
    """What the user decides; sizes and focal length are those of upright pictures."""

    camera: Path | None = None
    focal_px: int | float | None = None  # at the recording's resolution
    fov_deg: int | float | None = None  # horizontal
    fps: int | float | None = None  # videos only; None: every frame
    size: tuple[int, int] | None = None  # (width, height) to store; None: as recorded


@dataclass
class SequenceReport:
    """What became of one recording."""

    name: str
    source: str
    frames: int = 0  # stored
    sequences: int = 0  # parts the recording was broken into
    decoded: int = 0
    damaged: int = 0
    missing: int | None = 0  # None: unknown
    camera: str = ""
    assumed: bool = False
    problems: tuple[str, ...] = ()


def prepare(
    sources: list[str], out: Path, options: PrepareOptions, progress: Progress = silent
) -> list[SequenceReport]:
    """Write the dataset folder `out` from videos, folders, globs or COLMAP projects.

    Args:
        sources: paths or globs.
        out: new or empty folder; it appears only when complete.
        options: camera, frame rate, size.
        progress: wraps the frames of a recording and tells how far it is.

    Raises:
        UsageError: `out` holds something, or a frame rate is asked of pictures.
        DataError: a source that cannot be used; the message says which and why.
        ResourceError: disk full or not writable.
    """
    files.require_unused(out)
    if out.exists() and out.resolve() == Path.cwd():  # it would be put in the place of the one you stand in
        raise UsageError(f"{out}: is the current folder; name a new one, as in --out data/drive")
    out = out.resolve()  # a link stays a link
    recordings = find_recordings(sources, options.fps)
    if options.fps and not any(isinstance(recording.source, VideoSource) for recording in recordings):
        raise UsageError("--fps thins videos by their timestamps, and pictures have none; leave it out")
    needed = sum(_bytes_needed(recording, options) for recording in recordings)
    files.require_space(out.parent, needed, "store fewer frames (--fps for videos)")
    if out.exists():
        out.rmdir()
    with files.atomic_folder(out) as folder:
        reports = []
        lines: list[dict[str, Any]] = []
        for recording in recordings:
            writer = _RecordingWriter(recording, folder, options, {other.name for other in recordings})
            frames = recording.source.frames(skip_broken=True)
            writer.write(progress(frames, f"prepare: {recording.name}", recording.source.count))
            reports.append(writer.report)
            lines += writer.lines
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        files.write_text(folder / "manifest.jsonl", text)
    return reports


def report_row(report: SequenceReport) -> dict[str, Any]:
    """Turn a report into JSON fields; an unknown count says so."""
    return {**asdict(report), "missing": "unknown" if report.missing is None else report.missing}


class _RecordingWriter:
    """Writes one recording as one or more sequences."""

    def __init__(
        self, recording: Recording, folder: Path, options: PrepareOptions, taken: Collection[str]
    ) -> None:
        self.recording, self.folder, self.options, self.taken = recording, folder, options, taken
        self.source = recording.source
        where = self.source.path if isinstance(self.source, VideoSource) else self.source.paths[0].parent
        self.report = SequenceReport(recording.name, str(where))
        self.lines: list[dict[str, Any]] = []
        self.size: tuple[int, int] | None = None  # of the current sequence's pictures, before rectifying
        self.broken = True  # the next frame starts a sequence
        self.time_s: float | None = None  # of the frame before
        self.names: set[str] = set()

    def write(self, frames: Iterable[SourceFrame]) -> None:
        """Write every good frame; DataError if there is none or too much is damaged."""
        for frame in frames:
            if frame.damaged or frame.image is None:
                self._leave_out(frame)
            else:
                self.report.decoded += 1
                self._store(frame, frame.image)
        if isinstance(self.source, VideoSource):
            reader = self.source.reader
            self.report.decoded, self.report.damaged, self.report.missing = (
                reader.decoded,
                reader.damaged,
                reader.missing,
            )
        if not self.report.frames:
            if self.report.problems:
                raise DataError(self.report.problems[0])
            counts = f"{self.report.damaged} damaged"
            raise DataError(f"{self.report.source}: no undamaged frame in it ({counts}); copy it again")

    def _leave_out(self, frame: SourceFrame) -> None:
        self.broken = True
        if isinstance(self.source, VideoSource):
            return
        self.report.damaged += 1
        self.report.problems += (frame.problem,)
        if self.report.damaged > most_damaged(len(self.source.paths)):
            raise DataError(
                f"{frame.problem} (of {len(self.source.paths)} pictures more than {SHARE:.0%} fail)"
            )

    def _store(self, frame: SourceFrame, image: UInt8[np.ndarray, "h w 3"]) -> None:
        size = (image.shape[1], image.shape[0])
        if self.broken or size != self.size or self._follows_a_gap(frame):
            self._start_sequence(frame, size)
        self.broken, self.time_s = False, frame.timestamp
        name, data = self._encoded(frame, image)
        path = self.sequence / "image" / name
        path.write_bytes(data)
        width, height = self.rectifier.size
        self.lines.append(
            {
                "path": path.relative_to(self.folder).as_posix(),
                "sha256": hashlib.sha256(data).hexdigest(),
                "width": width,
                "height": height,
                "timestamp": frame.timestamp,
                "source": str(frame.path or f"{self.report.source}#{int(frame.name)}"),
            }
        )
        self.report.frames += 1

    def _follows_a_gap(self, frame: SourceFrame) -> bool:
        if frame.path in self.recording.breaks:
            return True
        if frame.timestamp is None or self.time_s is None or not self.source.frame_rate:
            return False
        step_s = frame.timestamp - self.time_s
        return step_s <= 0 or step_s > GAP_INTERVALS / self.source.frame_rate

    def _start_sequence(self, frame: SourceFrame, size: tuple[int, int]) -> None:
        name = self.recording.name
        if self.report.sequences:  # another recording may be called drive_part2
            numbered = (f"{name}_part{number}" for number in count(self.report.sequences + 1))
            name = next(n for n in numbered if n not in self.taken and not (self.folder / n).exists())
        self.report.sequences += 1
        self.sequence = self.folder / name
        (self.sequence / "image").mkdir(parents=True)
        self.names.clear()
        if size != self.size:
            self.size = size
            self.rectifier = Rectifier(self._camera(frame, *size), self.options.size)
            self._require_a_shape(size)
        write_camera(self.sequence / "camera.yaml", self.rectifier.camera)
        self.report.camera, self.report.assumed = self.rectifier.camera.source, self.rectifier.camera.assumed
        if self.rectifier.mask is not None:
            (self.sequence / "mask").mkdir()
            images.write_png(self.sequence / "mask" / "all.png", self.rectifier.mask.astype(np.uint8) * 255)

    def _require_a_shape(self, size: tuple[int, int]) -> None:
        """Refuse a size that squeezes pictures so much that nobody would take the camera for one."""
        if self.options.size:
            width, height = self.rectifier.size
            where = f"--size {width}x{height} for pictures of {size[0]}x{size[1]}"
            check_intrinsics(self.rectifier.camera.intrinsics, width, height, where)

    def _camera(self, frame: SourceFrame, width: int, height: int) -> Camera:
        options = self.options
        if options.focal_px:
            return camera_from_focal(options.focal_px, width, height, f"--focal {options.focal_px:g}")
        if options.fov_deg:
            return camera_from_fov(options.fov_deg, width, height, f"--fov {options.fov_deg:g}")
        given = read_camera(options.camera) if options.camera else self.recording.camera
        if given is not None:
            upright = upright_camera(given, width, height, self.source.turns(frame))
            return fitted(upright, width, height, str(options.camera or given.source))
        return self.source.camera() if frame.path is None else image_camera(frame.path)

    def _encoded(self, frame: SourceFrame, image: UInt8[np.ndarray, "h w 3"]) -> tuple[str, bytes]:
        """Answer name and bytes: a picture that needs no change keeps its own."""
        if frame.path is None:
            name = f"{self.report.frames:06d}"
            return f"{name}.jpg", images.encode_jpeg(self.rectifier(image))
        name = next(name for name in _candidates(frame.name) if name not in self.names)
        self.names.add(name)
        kind = images.image_format(frame.path)
        if self.rectifier.keeps_pixels and kind in ("JPEG", "PNG") and images.orientation(frame.path) == 1:
            return f"{name}.{'jpg' if kind == 'JPEG' else 'png'}", frame.path.read_bytes()
        image = self.rectifier(image)
        if kind in ("PNG", "BMP"):
            return f"{name}.png", images.encode_png(image)
        return f"{name}.jpg", images.encode_jpeg(image)


def _candidates(stem: str) -> Iterator[str]:
    """Yield the stem, then numbered ones: `a.jpg` and `a.png` of one folder must not meet."""
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1


def _bytes_needed(recording: Recording, options: PrepareOptions) -> int:
    source = recording.source
    if not isinstance(source, VideoSource):
        return sum(path.stat().st_size for path in source.paths)
    width, height = options.size or source.reader.size
    return int((source.count or 0) * width * height * BYTES_PER_PIXEL)
