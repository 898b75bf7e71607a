"""Depth for an image, folder, glob or video, frame by frame: memory stays flat, a stop costs nothing.

Each frame's files appear whole; `index.json` appears last. A folder without it is an unfinished prediction.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from lumde import files
from lumde.errors import DataError, UsageError
from lumde.jobs.depth_files import FOLDERS, DepthFiles, png16_scale
from lumde.jobs.predict_request import FORMATS, REQUEST, CameraChoice, request_of, resumed, without
from lumde.media.camera_checks import focal_and_centre
from lumde.media.cameras import Camera, fitted
from lumde.media.sources import Source, SourceFrame, VideoSource, image_camera, open_source
from lumde.media.video import VideoWriter
from lumde.models import DepthModel
from lumde.pictures.depth import DEPTH_MAP, DepthRange, colour_depth, depth_range
from lumde.pictures.panels import side_by_side
from lumde.progress import Progress, silent

MOST_WIDE = 16384  # pixels that the encoder of the mp4 takes
PICTURES_PER_SECOND = 10.0  # of the mp4 made from single pictures
SAMPLES = 24  # frames, at least, that fix the colours of a clip (all of a shorter one)


def predict_source(
    source: str | Path,
    model: DepthModel,
    out: Path,
    save: Sequence[str] = ("png16",),
    choice: CameraChoice | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write the depth of every frame of `source` and answer the content of index.json.

    Args:
        source: image, folder, glob or video.
        model: on the device it shall run on.
        out: new or empty folder, or with `resume` one of an interrupted call.
        save: some of FORMATS.
        choice: of the camera; it decides the point clouds and is written down, depth does not depend on it.
        resume: go on; frames whose files are whole are not predicted again.
        progress: wraps the frames and tells how far it is.

    Raises:
        UsageError: unknown format, `out` not empty, or made with other settings.
        DataError: nothing readable, pictures of two sizes for one mp4, an implausible camera.
    """
    if unknown := sorted(set(save) - set(FORMATS)):
        raise UsageError(f"--save {unknown[0]}: unknown format; known: {', '.join(FORMATS)}")
    opened = without(open_source(source), out)
    files.claim_output(out, resume)
    unit, scale = model.config.unit, png16_scale(model.config.unit, model.net.config.max_depth)
    store = DepthFiles(out, tuple(kind for kind in FOLDERS if kind in save), unit, scale)
    request = request_of(opened, source, model, save, choice or CameraChoice(), store)
    job = _Job(opened, model, store, choice or CameraChoice(), request)
    if resume and any(out.iterdir()):
        limits = resumed(out, request)
    else:
        limits = job.clip_range(progress) if "mp4" in save else None
    request["colour_range"] = limits
    job.run(limits, resume, progress)
    index = {**job.index(), **request, "colour_map": limits and DEPTH_MAP}
    files.write_json(out / "index.json", index)
    return index


@dataclass
class _Job:
    """One pass over one source."""

    opened: Source | VideoSource
    model: DepthModel
    store: DepthFiles
    choice: CameraChoice
    request: dict[str, Any]
    frames: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    first: dict[str, Any] = field(default_factory=dict)  # size and camera of the first frame
    names: set[str] = field(default_factory=set)
    cameras: dict[tuple[int, int, int], Camera | None] = field(default_factory=dict)  # by size and turns

    def clip_range(self, progress: Progress) -> DepthRange:
        """Fix one colour range for all frames from evenly spread ones; check that all are of one size."""
        stride, kept, shape = 1, [], None
        for i, frame in enumerate(progress(self._frames(), "predict: colours", self.opened.count)):
            if frame.image is None:
                continue
            shape = shape or frame.image.shape
            if 2 * shape[1] > MOST_WIDE:
                raise DataError(f"{shape[1]} pixels wide: an mp4 beside its depth holds half of {MOST_WIDE}")
            if frame.image.shape != shape:
                raise DataError(
                    f"{frame.path}: {frame.image.shape[1]}x{frame.image.shape[0]}, the first picture is "
                    f"{shape[1]}x{shape[0]}: one mp4 needs one size; leave mp4 out, or predict size by size"
                )
            if i % stride == 0:
                kept.append((i, depth_range([self._depth(frame)])))
            if len(kept) > 2 * SAMPLES:  # the length is unknown beforehand: thin out as the clip goes on
                stride *= 2
                kept = [(j, limits) for j, limits in kept if j % stride == 0]
        self._require(kept)
        return DepthRange(min(r.near for _, r in kept), max(r.far for _, r in kept))

    def run(self, limits: DepthRange | None, resume: bool, progress: Progress) -> None:
        """Predict and write; with `limits` the video too, anew from its start."""
        path = self.store.out / "depth.mp4"
        rate = self.opened.frame_rate or PICTURES_PER_SECOND
        with VideoWriter(path, rate) if limits else nullcontext() as video:
            for frame in progress(self._frames(), "predict: depth", self.opened.count):
                if frame.image is None:
                    # It keeps its name: repaired later, it is no other picture's.
                    self.skipped.append({"name": self._unique(frame.name), "problem": frame.problem})
                    continue
                depth = self._frame(frame, resume, needed=video is not None)
                if video is not None and limits is not None and depth is not None:
                    video.add(side_by_side(frame.image, colour_depth(depth, limits)))
        self._require(self.frames)

    def index(self) -> dict[str, Any]:
        """What index.json says about the frames."""
        index = {**self.first, "frames": self.frames, "skipped": self.skipped}
        if isinstance(self.opened, VideoSource):
            reader = self.opened.reader
            index["video"] = {
                "decoded": reader.decoded,
                "damaged": reader.damaged,
                "missing": "unknown" if reader.missing is None else reader.missing,
            }
        return index

    def _frame(self, frame: SourceFrame, resume: bool, needed: bool) -> Float[np.ndarray, "h w"] | None:
        """Bring one frame's files about; answer its depth where that was computed or is `needed`."""
        assert frame.image is not None
        height, width = frame.image.shape[:2]
        name = self._unique(frame.name)
        camera = self._camera(frame, width, height)
        self._note(name, frame, camera)
        whole = resume and self.store.is_whole(name, (height, width), newer_than=frame.path)
        depth = self.store.read(name) if whole and needed else None
        if depth is None and (needed or not whole):
            depth = self._depth(frame)
        if not whole and depth is not None:
            self.store.write(name, depth, frame.image, camera.intrinsics)
        return depth

    def _frames(self) -> Iterator[SourceFrame]:
        return self.opened.frames(skip_broken=self.opened.kind != "image")

    def _depth(self, frame: SourceFrame) -> Float[np.ndarray, "h w"]:
        return self.model.predict(frame.image).depth  # type: ignore[union-attr, arg-type]

    def _camera(self, frame: SourceFrame, width: int, height: int) -> Camera:
        key = (width, height, self.opened.turns(frame) if self.choice.file else 0)
        if key not in self.cameras:
            self.cameras[key] = self.choice.camera(*key)
        camera = self.cameras[key]
        if camera is None:
            camera = image_camera(frame.path) if frame.path else self.opened.camera()
        camera = fitted(camera, width, height, str(frame.path or "video"))
        if camera.distorted and "ply" in self.store.formats:
            raise DataError(
                f"{camera.source}: has lens distortion, points would lie on curves; straighten the pictures "
                "with `lumde prepare` and predict from its output"
            )
        return camera

    def _note(self, name: str, frame: SourceFrame, camera: Camera) -> None:
        """Add the frame to the index; what differs from the first frame stands at the frame itself."""
        facts: dict[str, Any] = {
            "intrinsics": list(focal_and_centre(camera.intrinsics)),
            "intrinsics_source": camera.source + (", distortion ignored" if camera.distorted else ""),
            "size": [camera.width, camera.height],
        }
        if not self.first:
            self.first = facts
            self._begin(*facts["size"])
        row: dict[str, Any] = {"name": name, "timestamp": frame.timestamp}
        row |= {key: value for key, value in facts.items() if value != self.first[key]}
        self.frames.append(row | ({"damaged": True} if frame.damaged else {}))

    def _begin(self, width: int, height: int) -> None:
        """Touch the disk only once a frame was decoded and its camera accepted."""
        frames = self.opened.count or 1
        needed = frames * self.store.bytes_per_frame(width, height) - self.store.bytes_there()
        files.require_space(self.store.out, max(0, needed))
        self.store.out.mkdir(parents=True, exist_ok=True)
        files.write_json(self.store.out / REQUEST, self.request)  # first: by it --resume knows the folder
        self.store.make_folders()

    def _unique(self, name: str) -> str:
        """Pictures of one glob may share a name: number them, in their stable order."""
        number, unique = 2, name
        while unique in self.names:
            unique, number = f"{name}-{number}", number + 1
        self.names.add(unique)
        return unique

    def _require(self, found: list[Any]) -> None:
        if not found:
            reason = self.skipped[0]["problem"] if self.skipped else "every picture is damaged"
            raise DataError(f"no frame could be decoded; the first one: {reason}")
