"""Camera trajectories: TUM lines and KITTI 3x4 rows, both camera to world, in metres."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from lumde import files
from lumde.errors import DataError

MAX_BYTES = 50_000_000


def read_tum(path: Path) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n 4 4"]]:
    """Read `timestamp tx ty tz qx qy qz qw` lines.

    Returns:
        Timestamps in seconds, strictly increasing, and world_from_camera.

    Raises:
        DataError: with file and line: wrong count, not finite, quaternion not of unit length, time runs back.
    """
    times: list[float] = []
    poses = []
    for line, values in _rows(path, 8):
        norm = float(np.linalg.norm(values[4:]))
        if abs(norm - 1) > 0.01:
            raise DataError(
                f"{path}:{line}: quaternion of length {norm:.3g}, 1 needed; is the order qx qy qz qw?"
            )
        if times and values[0] <= times[-1]:
            raise DataError(
                f"{path}:{line}: time {values[0]} does not follow {times[-1]}; sort the lines by time"
            )
        times.append(values[0])
        poses.append(_pose(_rotation(values[4:] / norm), values[1:4]))
    return np.array(times), np.stack(poses)


def read_kitti_poses(path: Path) -> Float[np.ndarray, "n 4 4"]:
    """Read rows of 12 numbers, the upper three rows of world_from_camera.

    Raises:
        DataError: with file and line: wrong count, not finite, or no rotation.
    """
    poses = []
    for line, values in _rows(path, 12):
        upper = values.reshape(3, 4)
        rotation = upper[:, :3]
        if np.abs(rotation @ rotation.T - np.eye(3)).max() > 0.01 or np.linalg.det(rotation) < 0:
            raise DataError(f"{path}:{line}: the 3x3 part is no rotation; 12 numbers, row by row, are needed")
        poses.append(_pose(rotation, upper[:, 3]))
    return np.stack(poses)


def write_tum(
    path: Path, timestamps: Float[np.ndarray, " n"], world_from_camera: Float[np.ndarray, "n 4 4"]
) -> None:
    """Write TUM lines atomically."""
    lines = ["# timestamp tx ty tz qx qy qz qw (camera to world)"]
    for time, pose in zip(timestamps, world_from_camera, strict=True):
        numbers = (*pose[:3, 3], *_quaternion(pose[:3, :3]))
        lines.append(f"{time:.6f} " + " ".join(f"{number:.9g}" for number in numbers))
    files.write_text(path, "\n".join(lines) + "\n")


def _rows(path: Path, count: int) -> Iterator[tuple[int, Float[np.ndarray, " n"]]]:
    found = False
    for line, text in enumerate(files.read_text(path, MAX_BYTES).splitlines(), start=1):
        words = text.split("#")[0].replace(",", " ").split()
        if not words:
            continue
        try:
            values = np.array([float(word) for word in words])
        except ValueError as error:
            raise DataError(
                f"{path}:{line}: {count} numbers expected, found {files.printable(text[:60])!r}"
            ) from error
        if len(values) != count:
            raise DataError(f"{path}:{line}: {count} numbers expected, found {len(values)}")
        if not np.isfinite(values).all():
            raise DataError(f"{path}:{line}: not finite; a lost track? remove the frame and its pose")
        found = True
        yield line, values
    if not found:
        raise DataError(f"{path}: holds no pose; rows of {count} numbers are needed")


def _pose(
    rotation: Float[np.ndarray, "3 3"], translation: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "4 4"]:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, translation
    return pose


def _rotation(xyzw: Float[np.ndarray, " 4"]) -> Float[np.ndarray, "3 3"]:
    vector, w = xyzw[:3], xyzw[3]
    x, y, z = vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


def _quaternion(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, " 4"]:
    """Answer (x, y, z, w): an eigenvector of a symmetric 4x4 form, stable at 180 degrees."""
    r = rotation
    form = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], 0, 0, 0],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], 0, 0],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], 0],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r[0, 0] + r[1, 1] + r[2, 2]],
        ]
    )
    xyzw = np.linalg.eigh(form)[1][:, -1]  # eigh reads the lower triangle
    return xyzw if xyzw[3] >= 0 else -xyzw
