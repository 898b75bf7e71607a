"""KITTI odometry sequences in their native layout, grey or colour, with poses where they are published."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from lumde.data.kitti_files import SIDES, matrix, metres_right, numbered, read_calibration, read_split_frames
from lumde.data.recorded import RecordedDataset, list_images, parse_ranges
from lumde.data.splits import find_split
from lumde.errors import ConfigError, DataError
from lumde.files import inside, natural_key, read_text
from lumde.media.camera_checks import check_intrinsics
from lumde.media.images import image_size, read_image
from lumde.media.poses import read_kitti_poses
from lumde.registry import Named
from lumde.structures import Frame, FrameKey

GREY, COLOUR = (0, 1), (2, 3)  # left and right camera


class KittiOdometry(RecordedDataset):
    """KITTI odometry sequences: stereo video with metric poses, without depth."""

    provides: tuple[str, ...] = ("sources", "pose", "right")

    @dataclass(kw_only=True)
    class Config(Named):
        """Which sequences."""

        name: str = "kitti_odometry"
        root: str  # holds sequences/ and poses/
        sequences: tuple[str, ...] = ()  # e.g. ("00", "01"); () = all found, left camera
        frames: str = ""  # ranges A:B,C:D of each sequence, B and D excluded
        split: str = ""  # a list in splits/kitti_odometry, or a file of lines `sequence frame side`

    def __init__(self, config: Config) -> None:
        """List the frames; `provides` has "pose" only if every sequence has poses.

        Raises:
            DataError: no frame is there, or calibration, poses or times that do not fit.
            ConfigError: a split together with sequences or frames.
        """
        if config.split and (config.sequences or config.frames):
            raise ConfigError("split: cannot be combined with sequences or frames; it names both")
        self.config, self.root = config, Path(config.root)
        self.names = {}
        self._files: dict[str, dict[str, Path]] = {}
        self._cameras: dict[str, Float[np.ndarray, "3 4"]] = {}
        self._times: dict[str, Float[np.ndarray, " n"]] = {}
        self._poses: dict[str, Float[np.ndarray, "n 4 4"] | None] = {}
        self.targets = self._split_targets() if config.split else self._all_targets()
        if not self.targets:
            raise DataError(
                f"{self.root}: no frame found; expected sequences/NN/image_0|image_2/*.png below it"
            )
        sequences = dict.fromkeys(key.sequence for key in self.targets)
        lacking = {"pose"} if any(self._poses[sequence] is None for sequence in sequences) else set()
        if not any(self._partner_folder(sequence).is_dir() for sequence in sequences):
            lacking.add("right")
        self.provides = tuple(f for f in type(self).provides if f not in lacking)

    def read_fields(self, key: FrameKey, fields: tuple[str, ...]) -> Frame:
        """Decode one frame with `fields`; DataError names the file that cannot be used."""
        image = read_image(self._files[key.sequence][key.name])
        projection, poses = self._cameras[key.sequence], self._poses[key.sequence]
        frame = Frame(
            image=image,
            intrinsics=projection[:, :3],
            timestamp=float(self._times[key.sequence][key.position]),
        )
        if "pose" in fields and poses is not None:
            frame.world_from_camera = poses[key.position]
        if "right" in fields:
            self._add_partner(frame, key)
        return frame

    def has_partner(self, key: FrameKey) -> bool:
        """Whether the other camera of the pair has a picture of that name."""
        return self._partner_file(key).is_file()

    def _split_targets(self) -> list[FrameKey]:
        lines = read_split_frames(find_split("kitti_odometry", self.config.split))
        self.expected = len(lines)
        targets = []
        for folder, number, side in lines:
            sequence = self._open(f"{int(folder):02d}" if folder.isdecimal() else folder, SIDES.index(side))
            name = self.names.get(sequence, {}).get(number)
            if name is not None:
                targets.append(FrameKey(sequence, number, name))
        return targets

    def _all_targets(self) -> list[FrameKey]:
        found = [folder.name for folder in self.root.glob("sequences/*") if folder.is_dir()]
        parts = parse_ranges(self.config.frames)
        for name in self.config.sequences or sorted(found, key=natural_key):
            sequence = self._open(name, side=0)
            if sequence not in self.names:
                raise DataError(f"{self.root / 'sequences' / name}: no pictures in image_2 or image_0")
            numbered_names = list(self.names[sequence].items())
            self.names[sequence] = dict(item for part in parts for item in numbered_names[part])
        return self.all_keys()

    def _open(self, name: str, side: int) -> str:
        """List a sequence's pictures (colour before grey) and read what lies beside them, once."""
        folder = inside(self.root, f"sequences/{name}")
        for cameras in (COLOUR, GREY):
            sequence = f"{name}/image_{cameras[side]}"
            if sequence in self.names:
                return sequence
            images = list_images(folder / f"image_{cameras[side]}")
            if images:
                self._files[sequence], self.names[sequence] = images, numbered(images)
                if not self.names[sequence]:
                    raise DataError(f"{folder / f'image_{cameras[side]}'}: no picture is named by a number")
                self._read_companions(sequence, folder, cameras[side])
                return sequence
        return sequence

    def _read_companions(self, sequence: str, folder: Path, camera: int) -> None:
        path = folder / "calib.txt"
        projection = matrix(read_calibration(path), f"P{camera}", (3, 4), path)
        width, height = image_size(next(iter(self._files[sequence].values())))
        check_intrinsics(projection[:, :3], width, height, f"{path}: P{camera}")
        self._cameras[sequence] = projection
        last = max(self.names[sequence])
        self._times[sequence] = _read_times(folder / "times.txt", last)
        self._poses[sequence] = self._read_poses(folder.name, projection, last)

    def _read_poses(
        self, name: str, projection: Float[np.ndarray, "3 4"], last: int
    ) -> Float[np.ndarray, "n 4 4"] | None:
        """Poses of this camera; the files hold those of camera 0 (left, grey)."""
        path = self.root / "poses" / f"{name}.txt"
        if not path.is_file():
            return None
        poses = read_kitti_poses(path)
        if len(poses) <= last:
            raise DataError(
                f"{path}: {len(poses)} poses, but frame {last} exists; is it the file of this sequence?"
            )
        camera_from_camera_0 = np.eye(4)
        camera_from_camera_0[:3, 3] = np.linalg.solve(projection[:, :3], projection[:, 3])
        return np.asarray(poses @ np.linalg.inv(camera_from_camera_0))

    def _add_partner(self, frame: Frame, key: FrameKey) -> None:
        """Read the other camera of the pair; seen from the right one it lies at a negative baseline."""
        path = self._partner_file(key)
        if path.is_file():
            calibration = path.parents[1] / "calib.txt"
            camera = path.parent.name[-1]
            projection = matrix(read_calibration(calibration), f"P{camera}", (3, 4), calibration)
            frame.right = read_image(path)
            frame.baseline = metres_right(projection) - metres_right(self._cameras[key.sequence])

    def _partner_file(self, key: FrameKey) -> Path:
        return self._partner_folder(key.sequence) / self._files[key.sequence][key.name].name

    def _partner_folder(self, sequence: str) -> Path:
        name, _, camera = sequence.partition("/image_")
        return inside(self.root, f"sequences/{name}/image_{int(camera) ^ 1}")  # 0-1 and 2-3 are pairs


def _read_times(path: Path, last: int) -> Float[np.ndarray, " n"]:
    """Seconds of each frame, one per line."""
    try:
        times = np.array([float(word) for word in read_text(path).split()])
    except ValueError as error:
        raise DataError(f"{path}: one time in seconds per line expected ({error})") from error
    if len(times) <= last or not np.isfinite(times).all():
        raise DataError(
            f"{path}: {len(times)} times, but frame {last} exists; is it the file of this sequence?"
        )
    return times
