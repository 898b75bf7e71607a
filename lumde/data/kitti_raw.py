"""KITTI raw recordings in their native layout, png or jpg, with ground truth projected from the LiDAR."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from lumde.data.kitti_files import (
    SIDES,
    matrix,
    metres_right,
    numbered,
    project_scan,
    read_calibration,
    read_scan,
    read_split_frames,
)
from lumde.data.recorded import RecordedDataset, list_images
from lumde.data.splits import find_split
from lumde.errors import DataError
from lumde.files import inside
from lumde.geometry.camera import resize_intrinsics
from lumde.media.camera_checks import check_intrinsics
from lumde.media.depth_png import read_depth
from lumde.media.images import read_image
from lumde.registry import Named
from lumde.structures import Frame, FrameKey

CAMERAS = dict(zip(SIDES, ("02", "03"), strict=True))  # the colour cameras
IMPROVED_SCALE = 256  # stored values per metre


@dataclass
class Rig:
    """Calibration of one recording day."""

    path: Path  # of its folder

    @cached_property
    def _cameras(self) -> dict[str, Float[np.ndarray, " n"]]:
        return read_calibration(self.path / "calib_cam_to_cam.txt")

    def size(self, camera: str) -> tuple[int, int]:
        """(height, width) of the rectified pictures."""
        width, height = matrix(self._cameras, f"S_rect_{camera}", (1, 2), self.path / "calib_cam_to_cam.txt")[
            0
        ]
        return int(height), int(width)

    def projection(self, camera: str) -> Float[np.ndarray, "3 4"]:
        """Pixels from rectified coordinates of camera 0."""
        return matrix(self._cameras, f"P_rect_{camera}", (3, 4), self.path / "calib_cam_to_cam.txt")

    def image_from_velo(self, camera: str) -> Float[np.ndarray, "3 4"]:
        """Pixels from LiDAR coordinates."""
        path = self.path / "calib_velo_to_cam.txt"
        velo = read_calibration(path)
        camera_from_velo, rectified_from_camera = np.eye(4), np.eye(4)
        camera_from_velo[:3, :3] = matrix(velo, "R", (3, 3), path)
        camera_from_velo[:3, 3:] = matrix(velo, "T", (3, 1), path)
        rectified_from_camera[:3, :3] = matrix(
            self._cameras, "R_rect_00", (3, 3), self.path / "calib_cam_to_cam.txt"
        )
        return self.projection(camera) @ rectified_from_camera @ camera_from_velo


class KittiRaw(RecordedDataset):
    """KITTI raw drives with the published Eigen lists; ground truth from the LiDAR or the improved maps."""

    provides: tuple[str, ...] = ("sources", "depth", "right")
    protocol = "kitti_eigen"

    @dataclass(kw_only=True)
    class Config(Named):
        """Which frames, and which ground truth."""

        name: str = "kitti_raw"
        root: str  # holds 2011_09_26/...
        split: str = (
            ""  # a list in splits/kitti_raw, or a file of lines `folder frame side`; "" = all frames found
        )
        depth: Literal["lidar_forward", "camera_z", "improved"] = "lidar_forward"  # see project_scan

    def __init__(self, config: Config) -> None:
        """List the frames; those of the split that are not on disk are missing from `targets`.

        Raises:
            DataError: none of the frames is there, or a calibration that is implausible.
        """
        self.config, self.root = config, Path(config.root)
        if config.depth == "improved":
            self.protocol = "kitti_improved"
        self._rigs: dict[str, Rig] = {}
        self._files: dict[str, dict[str, Path]] = {}
        self.names = {}
        self.targets = self._split_targets() if config.split else self._all_targets()
        if not self.targets:
            what = f"frame of split {config.split!r}" if config.split else "frame"
            raise DataError(
                f"{self.root}: no {what} found; expected DATE/DRIVE_sync/image_02/data/*.jpg|png below it"
            )
        sequences = list(dict.fromkeys(key.sequence for key in self.targets))
        for sequence in sequences:
            self._check_camera(sequence)
        found = {"depth": self._depth_folder, "right": self._partner_folder}
        self.provides = tuple(
            field
            for field in type(self).provides
            if field not in found or any(found[field](s).is_dir() for s in sequences)
        )

    def read_fields(self, key: FrameKey, fields: tuple[str, ...]) -> Frame:
        """Decode one frame with `fields`; DataError names the file that cannot be used."""
        image = read_image(self._files[key.sequence][key.name])
        frame = Frame(image=image, intrinsics=self._intrinsics(key.sequence, image.shape[:2]))
        if "depth" in fields:
            frame.depth = self._depth(key.sequence, key.name)
        if "right" in fields:
            self._add_partner(frame, key)
        return frame

    def has_partner(self, key: FrameKey) -> bool:
        """Whether the other colour camera has a picture of that number."""
        return self._partner_file(key).is_file()

    def _split_targets(self) -> list[FrameKey]:
        frames = read_split_frames(find_split("kitti_raw", self.config.split))
        self.expected = len(frames)
        targets = []
        for folder, number, side in frames:
            sequence = f"{folder}/image_{CAMERAS[side]}"
            name = self._open(sequence).get(number)
            if name is not None:
                targets.append(FrameKey(sequence, number, name))
        return targets

    def _all_targets(self) -> list[FrameKey]:
        folders = sorted(self.root.glob("*/*_sync/image_0[23]"))
        for folder in folders:
            self._open(folder.relative_to(self.root).as_posix())
        return self.all_keys()

    def _open(self, sequence: str) -> dict[int, str]:
        """List the pictures of a drive's camera once."""
        if sequence not in self.names:
            self._files[sequence] = list_images(inside(self.root, sequence) / "data")
            self.names[sequence] = numbered(self._files[sequence])
        return self.names[sequence]

    def _rig(self, drive: str) -> Rig:
        date = drive.split("/", maxsplit=1)[0]
        if date not in self._rigs:
            self._rigs[date] = Rig(inside(self.root, date))
        return self._rigs[date]

    def _check_camera(self, sequence: str) -> None:
        drive, camera = _drive_and_camera(sequence)
        rig = self._rig(drive)
        height, width = rig.size(camera)
        where = f"{rig.path / 'calib_cam_to_cam.txt'}: P_rect_{camera}"
        check_intrinsics(rig.projection(camera)[:, :3], width, height, where)

    def _intrinsics(self, sequence: str, size: tuple[int, ...]) -> Float[np.ndarray, "3 3"]:
        """Carry the calibration along where pictures were stored at another size."""
        drive, camera = _drive_and_camera(sequence)
        rig = self._rig(drive)
        intrinsics = torch.from_numpy(rig.projection(camera)[:, :3].copy())
        return resize_intrinsics(intrinsics, rig.size(camera), (size[0], size[1])).numpy()

    def _depth(self, sequence: str, name: str) -> Float[np.ndarray, "h w"] | None:
        """Ground truth of a frame at the recorded size; None where there is none."""
        folder = self._depth_folder(sequence)
        if self.config.depth == "improved":
            path = folder / f"{name}.png"
            return read_depth(path, IMPROVED_SCALE) if path.is_file() else None
        path = folder / f"{name}.bin"
        if not path.is_file():
            return None
        drive, camera = _drive_and_camera(sequence)
        rig = self._rig(drive)
        camera_z = self.config.depth == "camera_z"
        return project_scan(read_scan(path), rig.image_from_velo(camera), rig.size(camera), camera_z)

    def _depth_folder(self, sequence: str) -> Path:
        drive, camera = _drive_and_camera(sequence)
        improved = f"{drive}/proj_depth/groundtruth/image_{camera}"
        return inside(
            self.root, improved if self.config.depth == "improved" else f"{drive}/velodyne_points/data"
        )

    def _partner_folder(self, sequence: str) -> Path:
        drive, camera = _drive_and_camera(sequence)
        return inside(self.root, f"{drive}/image_{_partner(camera)}/data")

    def _partner_file(self, key: FrameKey) -> Path:
        return self._partner_folder(key.sequence) / self._files[key.sequence][key.name].name

    def _add_partner(self, frame: Frame, key: FrameKey) -> None:
        """Read the other colour camera; seen from the right one it lies at a negative baseline."""
        path = self._partner_file(key)
        if path.is_file():
            drive, camera = _drive_and_camera(key.sequence)
            rig = self._rig(drive)
            frame.right = read_image(path)
            own, other = rig.projection(camera), rig.projection(_partner(camera))
            frame.baseline = metres_right(other) - metres_right(own)


def _partner(camera: str) -> str:
    return CAMERAS["r"] if camera == CAMERAS["l"] else CAMERAS["l"]


def _drive_and_camera(sequence: str) -> tuple[str, str]:
    drive, _, camera = sequence.rpartition("/image_")
    return drive, camera
