"""The files of KITTI's layouts: calibrations, split lines, LiDAR scans and what a camera sees of them."""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from lumde.data.splits import read_split
from lumde.errors import DataError
from lumde.files import printable, read_text

MAX_SCAN_BYTES = 50_000_000  # a scan has 2 MB
SIDES = ("l", "r")


def read_calibration(path: Path) -> dict[str, Float[np.ndarray, " n"]]:
    """Read `key: numbers` lines; keys with other values (dates) are left out.

    Raises:
        DataError: unreadable, or numbers that are not finite.
    """
    values: dict[str, Float[np.ndarray, " n"]] = {}
    for line in read_text(path).splitlines():
        key, _, text = line.partition(":")
        try:
            values[key] = np.array([float(word) for word in text.split()])
        except ValueError:
            continue
        if not np.isfinite(values[key]).all():
            raise DataError(f"{path}: {printable(key)} is not finite")
    return values


def matrix(
    calibration: dict[str, Float[np.ndarray, " n"]], key: str, shape: tuple[int, int], path: Path
) -> Float[np.ndarray, "r c"]:
    """Take one matrix out of a calibration; DataError names the key that is missing or has another size."""
    values = calibration.get(key, np.zeros(0))
    if values.size != shape[0] * shape[1]:
        raise DataError(f"{path}: {key} needs {shape[0] * shape[1]} numbers, found {values.size}")
    return values.reshape(shape)


def metres_right(projection: Float[np.ndarray, "3 4"]) -> float:
    """How far a rectified camera lies to the right of camera 0."""
    return float(-projection[0, 3] / projection[0, 0])


def read_split_frames(path: Path) -> list[tuple[str, int, str]]:
    """Read lines `folder frame side`, side l or r.

    Raises:
        DataError: with file and line.
    """
    frames = []
    for number, line in read_split(path):
        match = re.fullmatch(r"(\S+)\s+(\d{1,10})\s+([lr])", line)
        if not match:
            raise DataError(f"{path}:{number}: `folder frame l|r` expected, found {printable(line[:60])!r}")
        frames.append((match[1], int(match[2]), match[3]))
    return frames


def numbered(images: dict[str, Path]) -> dict[int, str]:
    """Frame number -> stem of the pictures whose names are numbers."""
    return {int(stem): stem for stem in images if stem.isdecimal()}


def read_scan(path: Path) -> Float[np.ndarray, "n 4"]:
    """Read a velodyne scan: x forward, y left, z up (metres) and reflectance, float32.

    Raises:
        DataError: missing, cut short or far too large.
    """
    try:
        size = path.stat().st_size
        if size % 16 or size > MAX_SCAN_BYTES:
            raise DataError(
                f"{path}: {size} bytes, a multiple of 16 below {MAX_SCAN_BYTES} expected; is it cut short?"
            )
        points = np.fromfile(path, "<f4").reshape(-1, 4)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return points[np.isfinite(points).all(1)]


def project_scan(
    points: Float[np.ndarray, "n 4"],
    image_from_velo: Float[np.ndarray, "3 4"],
    size: tuple[int, int],
    camera_z: bool,
) -> Float[np.ndarray, "h w"]:
    """Make the sparse depth map that a camera sees of a scan.

    Points in front of the scanner are projected; a pixel is the rounded coordinate minus 1; the nearest point
    of a pixel stays.

    Args:
        points: of `read_scan`.
        image_from_velo: projection, rectified camera times its pose.
        size: (height, width) of the picture.
        camera_z: True gives the depth along the camera's axis, False the forward coordinate in the LiDAR's
            frame, which published Eigen results are measured against (about 0.28 m more).

    Source: the convention of the Eigen ground truth as Godard et al. 2019 (arXiv:1806.01260) evaluate it.
    """
    homogeneous = np.concatenate([points[:, :3], np.ones_like(points[:, :1])], axis=1).astype(np.float64)
    x, y, z = image_from_velo @ homogeneous.T
    front = (homogeneous[:, 0] >= 0) & (z > 0)
    depth = (z if camera_z else homogeneous[:, 0])[front]
    x, y, z = x[front], y[front], z[front]
    columns, rows = (np.rint(np.stack([x, y]) / z) - 1).clip(-1, max(size)).astype(np.int64)
    seen = (columns >= 0) & (rows >= 0) & (columns < size[1]) & (rows < size[0])
    nearest = np.full(size, np.inf)
    np.minimum.at(nearest, (rows[seen], columns[seen]), depth[seen])
    return np.where(np.isfinite(nearest), nearest, 0).astype(np.float32)  # 0 = no measurement
