"""Dataset folders: pictures with whatever lies beside them (camera, depth, masks, stereo partners, poses)."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from lumde.config import nearest
from lumde.data.folder import (
    Description,
    counts_from_names,
    find_sequences,
    image_folder,
    likely_depth_scale,
    manifest_times,
    match_poses,
    positions_from_times,
    read_description,
    seconds_from_names,
)
from lumde.data.recorded import RecordedDataset, list_images, parse_range, parse_ranges
from lumde.errors import ConfigError, DataError
from lumde.media.cameras import Camera, assumed_camera, read_camera
from lumde.media.depth_png import read_depth
from lumde.media.images import image_size, read_image, read_mask
from lumde.media.sources import CAMERA_FILE, exif_camera
from lumde.registry import Named
from lumde.structures import Frame, FrameKey

SAME_SHAPE = 0.02  # by which the sides of a depth map may be rounded against its picture's
EVERY_FRAME = "all"  # mask/all.png


@dataclass(kw_only=True)
class Clip:
    """One sequence: its files by stem, and what holds for all of them."""

    images: dict[str, Path]  # in natural order
    depths: dict[str, Path]
    masks: dict[str, Path]
    rights: dict[str, Path]
    camera: Camera
    description: Description
    positions: list[int]
    seconds: list[float] | None  # per frame
    world_from_camera: Float[np.ndarray, "n 4 4"] | None
    index: dict[str, int] = field(init=False)  # stem -> place in the above

    def __post_init__(self) -> None:
        """Number the stems."""
        self.index = {stem: i for i, stem in enumerate(self.images)}


class Frames(RecordedDataset):
    """Your own pictures: dataset folders as `lumde prepare` writes them, or any folder of pictures."""

    provides: tuple[str, ...] = ("sources", "depth", "pose", "mask", "right")

    @dataclass(kw_only=True)
    class Config(Named):
        """Which folder, and which part of it."""

        name: str = "frames"
        root: str
        sequences: tuple[str, ...] = ()  # () = all
        frames: str = ""  # ranges A:B,C:D of each sequence, B and D excluded; neighbours stay within them
        split: str = ""  # a list of dataset.yaml's `splits`, instead of the two above

    def __init__(self, config: Config) -> None:
        """Open the folder; `provides` then tells what is really there.

        Raises:
            DataError: nothing usable, or a camera, depth scale or pose file that does not fit.
            ConfigError: unknown sequence or split, or a range that is none.
        """
        self.config, self.root = config, Path(config.root)
        folders = find_sequences(self.root)
        times = manifest_times(self.root)
        parts = self._parts(folders)
        self.clips = {name: open_clip(self.root, folders[name], times) for name in dict(parts)}
        self.names = {name: {} for name in self.clips}
        for name, part in parts:
            clip = self.clips[name]
            self.names[name].update(zip(clip.positions[part], list(clip.images)[part], strict=True))
        self.targets = self.all_keys()
        if not self.targets:
            raise DataError(f"{self.root}: no frame in range {config.frames!r} of {', '.join(self.clips)}")
        self.provides = tuple(f for f in type(self).provides if self._has(f))
        first = next(iter(self.clips.values())).description
        self.min_depth, self.max_depth = first.min_depth, first.max_depth  # metres, None = not stated

    def read_fields(self, key: FrameKey, fields: tuple[str, ...]) -> Frame:
        """Decode one frame with `fields`; DataError names the file that cannot be used."""
        clip = self.clips[key.sequence]
        path, i = clip.images[key.name], clip.index[key.name]
        image = read_image(path)
        frame = Frame(
            image=image,
            intrinsics=_intrinsics(clip, image, path),
            timestamp=clip.seconds[i] if clip.seconds else None,
        )
        if "depth" in fields and key.name in clip.depths:
            depth_path = clip.depths[key.name]
            frame.depth = read_depth(depth_path, clip.description.depth_scale or 1.0)
            _require_same_shape(frame.depth.shape, image.shape[:2], depth_path)
        if "mask" in fields:
            frame.mask = _mask(clip, key.name, image)
        if "pose" in fields and clip.world_from_camera is not None:
            frame.world_from_camera = clip.world_from_camera[i]
        if "right" in fields and key.name in clip.rights:
            frame.right = read_image(clip.rights[key.name])
            if frame.right.shape != image.shape:
                raise DataError(f"{clip.rights[key.name]}: of another size than its left picture")
            frame.baseline = clip.camera.baseline
        return frame

    def has_partner(self, key: FrameKey) -> bool:
        """Whether a right picture of that name is there."""
        return key.name in self.clips[key.sequence].rights

    def _parts(self, folders: dict[str, Path]) -> list[tuple[str, slice]]:
        """Sequences and ranges of their frames, as the config asks."""
        if not self.config.split:
            wanted = self.config.sequences or tuple(folders)
            parts = parse_ranges(self.config.frames)
            return [(_known(name, folders), part) for name in wanted for part in parts]
        if self.config.sequences or self.config.frames:
            raise ConfigError("split: cannot be combined with sequences or frames; it names both")
        splits = read_description(self.root, self.root).splits
        if self.config.split not in splits:
            raise ConfigError(
                f"split {self.config.split!r}: not in dataset.yaml{nearest(self.config.split, [*splits])}"
            )
        matches = [re.fullmatch(r"(.*?)(?:\s+(\d*:\d*))?", line) for line in splits[self.config.split]]
        return [(_known(m[1], folders), parse_range(m[2] or "")) for m in matches if m]

    def _has(self, field: str) -> bool:
        clips = self.clips.values()
        if field == "sources":
            return any(len(names) > 1 for names in self.names.values())
        if field == "pose":
            return all(clip.world_from_camera is not None for clip in clips)
        files = {"depth": "depths", "mask": "masks", "right": "rights"}[field]
        return any(getattr(clip, files) for clip in clips)


def open_clip(root: Path, folder: Path, times: dict[Path, float]) -> Clip:
    """Find the files of a sequence and read its camera, poses and description; no picture is decoded.

    Args:
        root: of the dataset; its dataset.yaml counts too.
        folder: of the sequence.
        times: picture -> seconds, from the manifest.

    Raises:
        DataError: no picture, depth without scale, right pictures without baseline, or an implausible camera.
    """
    images = list_images(image_folder(folder))
    if not images:
        raise DataError(f"{image_folder(folder)}: no pictures (jpg, png)")
    stems = list(images)
    known = [times[file] for file in map(Path.resolve, images.values()) if file in times] if times else []
    seconds = known if len(known) == len(images) else seconds_from_names(stems)
    description, depths = read_description(root, folder), list_images(folder / "depth")
    if depths and description.depth_scale is None:
        likely = likely_depth_scale(next(iter(depths.values())))
        raise DataError(
            f"{root / 'dataset.yaml'}: depth_scale (values per metre) is needed for depth/; {likely}"
        )
    camera, rights = _camera(folder, next(iter(images.values()))), list_images(folder / "right")
    if rights and not (camera.baseline is not None and camera.baseline > 0):
        raise DataError(
            f"{folder / 'camera.yaml'}: right/ needs `baseline`, metres, above 0 (how far the right camera "
            f"is right of the left one); found {camera.baseline}"
        )
    poses = folder / "groundtruth.txt"
    return Clip(
        images=images,
        depths=depths,
        masks=list_images(folder / "mask"),
        rights=rights,
        camera=camera,
        description=description,
        positions=positions_from_times(seconds or counts_from_names(stems), len(images)),
        seconds=seconds,
        world_from_camera=match_poses(poses, seconds, len(images)) if poses.is_file() else None,
    )


def _camera(folder: Path, first: Path) -> Camera:
    """The sequence's camera.yaml, else what EXIF of its first picture says, else 60 degrees."""
    path = folder / CAMERA_FILE
    if not path.is_file():
        return exif_camera(first)
    camera = read_camera(path, image_size(first))
    if camera.distorted:
        raise DataError(f"{path}: has distortion; undistort the pictures with `lumde prepare` first")
    return camera


def _intrinsics(clip: Clip, image: UInt8[np.ndarray, "h w 3"], path: Path) -> Float[np.ndarray, "3 3"]:
    height, width = image.shape[:2]
    if (width, height) == (clip.camera.width, clip.camera.height):
        return clip.camera.intrinsics
    if clip.camera.assumed:
        return assumed_camera(width, height).intrinsics
    expected = f"{clip.camera.width}x{clip.camera.height}"
    raise DataError(f"{path}: {width}x{height}, but its sequence is {expected}; keep one size per camera")


def _require_same_shape(found: tuple[int, ...], picture: tuple[int, ...], path: Path) -> None:
    """Refuse depth of another shape than its picture's: lying beside an upright one, say."""
    (height, width), (rows, columns) = picture, found
    if abs(columns * height - rows * width) > SAME_SHAPE * rows * width:
        raise DataError(
            f"{path}: depth of {columns}x{rows} for a picture of {width}x{height} (as it stands upright)"
        )


def _mask(clip: Clip, stem: str, image: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"] | None:
    """What the frame's own mask and the one for every frame both let through."""
    mask = None
    for path in (clip.masks[name] for name in (EVERY_FRAME, stem) if name in clip.masks):
        let_through = read_mask(path)
        if let_through.shape != image.shape[:2]:
            size = "x".join(map(str, let_through.shape[::-1]))
            raise DataError(f"{path}: mask of {size} for pictures of {image.shape[1]}x{image.shape[0]}")
        mask = let_through if mask is None else mask & let_through
    return mask


def _known(name: str, folders: dict[str, Path]) -> str:
    if name not in folders:
        raise ConfigError(f"sequence {name!r}: not in the dataset{nearest(name, list(folders))}")
    return name
