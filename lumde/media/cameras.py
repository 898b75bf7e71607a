"""Pinhole cameras: reading the usual files, guessing where there is none, and refusing what looks wrong.

Intrinsics are in pixels of the stated width and height; pixel (0, 0) is the centre of the top-left pixel.
"""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from lumde import files
from lumde.errors import ConfigError, DataError
from lumde.media.camera_checks import (
    MAX_FOV_DEG,
    MIN_FOV_DEG,
    check_intrinsics,
    finite_numbers,
    focal_and_centre,
)

ASSUMED_FOV_DEG = 60.0
_COLMAP_NAMES = {  # parameters in the file's order
    "SIMPLE_PINHOLE": "f cx cy",
    "PINHOLE": "fx fy cx cy",
    "SIMPLE_RADIAL": "f cx cy k1",
    "RADIAL": "f cx cy k1 k2",
    "OPENCV": "fx fy cx cy k1 k2 p1 p2",
    "FULL_OPENCV": "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6",
}
_DISTORTION_ORDER = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")  # as OpenCV, ROS and kornia


@dataclass(frozen=True)
class Camera:
    """One camera at one picture size."""

    intrinsics: Float[np.ndarray, "3 3"]  # pixels
    width: int | None = None  # of the pictures the intrinsics are for; None: the file does not say
    height: int | None = None
    distortion: tuple[float, ...] = ()  # k1 k2 p1 p2 [k3 [k4 k5 k6]], the OpenCV model; () = none
    baseline: float | None = None  # metres to the right camera of a stereo pair
    source: str = ""  # where the numbers come from; starts with "assumed" when nobody measured them

    @property
    def size(self) -> tuple[int, int]:
        """(width, height); ValueError where the file does not say."""
        if not (self.width and self.height):
            raise ValueError("the picture size of this camera is not known")
        return self.width, self.height

    @property
    def distorted(self) -> bool:
        """True when straight lines are not straight in the picture."""
        return any(value != 0 for value in self.distortion)

    @property
    def assumed(self) -> bool:
        """True when the field of view is only a guess."""
        return self.source.startswith("assumed")


def read_camera(path: Path, size: tuple[int, int] | None = None) -> Camera:
    """Read ROS camera_info YAML, COLMAP cameras.txt, KITTI calib files or one line `fx fy cx cy`.

    Args:
        path: the kind is told by content.
        size: (width, height) of the pictures; a camera for another size of the same shape is scaled
            to it, and its `source` says so.

    Raises:
        DataError: unknown format, implausible numbers, fisheye, or pictures of another shape.
    """
    text = files.read_text(path)
    if "camera_matrix" in text:
        camera = _from_ros(path, text)
    elif re.search(r"^\s*\d+\s+[A-Z][A-Z_]+\s+\d+\s+\d+\s", text, re.MULTILINE):
        camera = _only(read_colmap_cameras(path), path)
    elif re.search(r"^P(\d|_rect_\d\d):", text, re.MULTILINE):
        camera = _from_kitti(path, text)
    else:
        camera = _from_line(path, text)
    if size is not None:
        return fitted(camera, *size, str(path))
    if camera.width and camera.height:
        check_intrinsics(camera.intrinsics, camera.width, camera.height, str(path))
    return camera


def read_colmap_cameras(path: Path) -> dict[int, Camera]:
    """Read COLMAP's cameras.txt, keyed by camera id.

    COLMAP puts (0.5, 0.5) at the centre of the top-left pixel: half a pixel is taken off the centre.
    """
    cameras = {}
    for line, text in enumerate(files.read_text(path).splitlines(), start=1):
        words = text.split("#")[0].split()
        if words:
            key, camera = _colmap_camera(words, f"{path}:{line}")
            cameras[key] = camera
    if not cameras:
        raise DataError(f"{path}: holds no camera; COLMAP lines `ID MODEL WIDTH HEIGHT PARAMS` are needed")
    return cameras


def camera_from_focal(focal_px: int | float, width: int, height: int, source: str = "given") -> Camera:
    """Make a camera with square pixels and a centred principal point; DataError if implausible."""
    camera = _centred(focal_px, width, height, source)
    check_intrinsics(camera.intrinsics, width, height, source)
    return camera


def camera_from_fov(fov_deg: int | float, width: int, height: int, source: str = "given") -> Camera:
    """Make a camera from its horizontal field of view; DataError outside 15-150 degrees."""
    if not MIN_FOV_DEG <= fov_deg <= MAX_FOV_DEG:
        raise DataError(f"{source}: {fov_deg:g} degrees, {MIN_FOV_DEG:g}-{MAX_FOV_DEG:g} expected")
    return camera_from_focal(width / 2 / float(np.tan(np.radians(fov_deg) / 2)), width, height, source)


def assumed_camera(width: int, height: int) -> Camera:
    """Guess 60 degrees along the longer side, where nothing is known; for pictures of any shape."""
    focal_px = max(width, height) / 2 / float(np.tan(np.radians(ASSUMED_FOV_DEG) / 2))
    return _centred(focal_px, width, height, f"assumed {ASSUMED_FOV_DEG:g} degrees")


def _centred(focal_px: int | float, width: int, height: int, source: str) -> Camera:
    intrinsics = np.array([[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1.0]])
    return Camera(intrinsics, width, height, source=source)


def scaled(camera: Camera, width: int, height: int) -> Camera:
    """Carry a camera of known size along when its pictures are resized: f' = f s, c' = (c + .5) s - .5."""
    old_width, old_height = camera.size
    factor = np.array([width / old_width, height / old_height])
    intrinsics = camera.intrinsics.copy()
    intrinsics[:2, :2] *= factor[:, None]
    intrinsics[:2, 2] = (intrinsics[:2, 2] + 0.5) * factor - 0.5
    return replace(camera, intrinsics=intrinsics, width=width, height=height)


def fitted(camera: Camera, width: int, height: int, where: str) -> Camera:
    """Answer the camera for pictures of this size, scaled when its file is for another one of equal shape.

    Raises:
        DataError: naming `where`: pictures of another shape, or implausible for them.
    """
    if not (camera.width and camera.height):
        camera = replace(camera, width=width, height=height)
    elif abs(camera.width * height / (camera.height * width) - 1) > 0.01:
        raise DataError(
            f"{where}: for {camera.width}x{camera.height} pictures, but these are {width}x{height}, another "
            "shape: cropped, turned, or another camera? give the camera of these pictures"
        )
    elif (camera.width, camera.height) != (width, height):
        note = f"{camera.source}, scaled from {camera.width}x{camera.height}"
        camera = replace(scaled(camera, width, height), source=note)
    if not camera.assumed:  # nobody measured it, so nothing can be wrong with it
        check_intrinsics(camera.intrinsics, width, height, where)
    return camera


def write_camera(path: Path, camera: Camera) -> None:
    """Write a ROS camera_info file atomically, with `baseline` and `intrinsics_source` as extra keys."""
    fx, fy, cx, cy = focal_and_centre(camera.intrinsics)
    distortion = [float(value) for value in camera.distortion] or [0.0] * 5
    lines = [
        f"image_width: {camera.size[0]}",
        f"image_height: {camera.size[1]}",
        f"camera_name: {'assumed' if camera.assumed else 'camera'}",
        f"intrinsics_source: {json.dumps(camera.source)}",
        "camera_matrix:",
        "  rows: 3",
        "  cols: 3",
        f"  data: [{fx!r}, 0.0, {cx!r}, 0.0, {fy!r}, {cy!r}, 0.0, 0.0, 1.0]",
        f"distortion_model: {'rational_polynomial' if len(distortion) > 5 else 'plumb_bob'}",
        "distortion_coefficients:",
        "  rows: 1",
        f"  cols: {len(distortion)}",
        f"  data: {distortion!r}",
    ]
    if camera.baseline is not None:
        lines.append(f"baseline: {float(camera.baseline)!r}")
    files.write_text(path, "\n".join(lines) + "\n")


def _from_ros(path: Path, text: str) -> Camera:
    """Read ROS camera_info, or the file of OpenCV's calibration tool (`%YAML:1.0`, matrix tags)."""
    plain = re.sub(r"^%YAML.*$", "", text, flags=re.MULTILINE).replace("!!opencv-matrix", "")
    try:
        content = files.parse_yaml(plain, str(path))
    except ConfigError as error:
        raise DataError(str(error)) from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: a mapping with `camera_matrix` is needed")
    _require_known_lens(content, path)
    model = content.get("distortion_model") or "plumb_bob"
    distortion = _matrix(content, "distortion_coefficients", path)
    if model not in ("plumb_bob", "rational_polynomial", "none"):
        raise DataError(f"{path}: distortion model {model!r} is not supported; undistort the pictures first")
    if distortion.size not in (0, 4, 5, 8):
        raise DataError(f"{path}: {distortion.size} distortion coefficients; 0, 4, 5 or 8 are known")
    matrix = _matrix(content, "camera_matrix", path)
    if matrix.size != 9:
        raise DataError(f"{path}: camera_matrix needs 9 numbers, row by row; found {matrix.size}")
    baseline = finite_numbers(content.get("baseline") or (), path).ravel()
    if baseline.size > 1:
        raise DataError(f"{path}: baseline needs one number, found {baseline.size}")
    return Camera(
        intrinsics=matrix.reshape(3, 3),
        width=_whole(content, "image_width", path),
        height=_whole(content, "image_height", path),
        distortion=tuple(distortion.tolist()) if np.any(distortion) else (),
        baseline=float(baseline[0]) if baseline.size else None,
        source=str(content.get("intrinsics_source") or path.name),
    )


def _require_known_lens(content: dict[str, object], path: Path) -> None:
    """Refuse what would be read as another lens: OpenCV's fisheye flag, distortion under other names."""
    if content.get("fisheye_model"):
        raise DataError(f"{path}: a fisheye lens is not supported; undistort the pictures first")
    others = {str(key) for key in content if "dist" in str(key).lower()}
    if unread := sorted(others - {"distortion_model", "distortion_coefficients"}):
        raise DataError(f"{path}: {unread[0]} is not read; call it distortion_coefficients (k1 k2 p1 p2 k3)")


def _from_kitti(path: Path, text: str) -> Camera:
    """Read `P2:` (`P_rect_02:`, else camera 0) of a rectified KITTI rig, with the baseline to its partner."""
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    form = "P_rect_0{}" if any(key.startswith("P_rect") for key in rows) else "P{}"
    left = 2 if form.format(2) in rows else 0
    matrices = []
    for index in (left, left + 1):
        if form.format(index) in rows:
            values = finite_numbers(rows[form.format(index)].split(), path)
            if len(values) != 12:
                raise DataError(f"{path}: {form.format(index)} needs 12 numbers, found {len(values)}")
            matrices.append(values.reshape(3, 4))
    if not matrices:
        raise DataError(f"{path}: no {form.format(2)} and no {form.format(0)}; is it a KITTI camera file?")
    baseline = float(-(matrices[1] - matrices[0])[0, 3] / matrices[0][0, 0]) if len(matrices) == 2 else None
    size = finite_numbers(rows.get(f"S_rect_0{left}", "").split(), path)
    width, height = (int(size[0]), int(size[1])) if len(size) == 2 else (None, None)
    return Camera(matrices[0][:, :3].copy(), width, height, (), baseline, f"{path.name} camera {left}")


def _from_line(path: Path, text: str) -> Camera:
    words = [word for line in text.splitlines() for word in line.split("#")[0].replace(",", " ").split()]
    if len(words) != 4:
        raise DataError(
            f"{path}: no camera file; ROS camera_info YAML, COLMAP cameras.txt, KITTI calib.txt or one line "
            "`fx fy cx cy` (pixels) is needed"
        )
    fx, fy, cx, cy = finite_numbers(words, path)
    return Camera(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), source=path.name)


def _colmap_camera(words: list[str], where: str) -> tuple[int, Camera]:
    if len(words) < 5 or not words[0].isdigit() or words[1] not in _COLMAP_NAMES:
        known = ", ".join(_COLMAP_NAMES)
        raise DataError(
            f"{where}: `ID MODEL WIDTH HEIGHT PARAMS` with a model of {known}; undistort others first"
        )
    names = _COLMAP_NAMES[words[1]].split()
    values = finite_numbers(words[2:], where)
    if len(values) != 2 + len(names):
        raise DataError(f"{where}: {words[1]} needs {len(names)} parameters, found {len(values) - 2}")
    named = dict(zip(names, values[2:].tolist(), strict=True))
    fx, fy = named.get("fx", named.get("f", 0.0)), named.get("fy", named.get("f", 0.0))
    intrinsics = np.array([[fx, 0, named["cx"] - 0.5], [0, fy, named["cy"] - 0.5], [0, 0, 1.0]])
    distortion = [named.get(name, 0.0) for name in _DISTORTION_ORDER]
    kept = tuple(distortion if any(distortion[4:]) else distortion[:4]) if any(distortion) else ()
    source = f"COLMAP camera {words[0]} ({words[1]})"
    return int(words[0]), Camera(intrinsics, int(values[0]), int(values[1]), kept, None, source)


def _only(cameras: dict[int, Camera], path: Path) -> Camera:
    if len(cameras) > 1:
        raise DataError(
            f"{path}: holds {len(cameras)} cameras; keep the line of the camera that took the pictures"
        )
    return next(iter(cameras.values()))


def _matrix(content: dict, key: str, path: Path) -> Float[np.ndarray, " n"]:
    entry = content.get(key)
    data = entry.get("data") if isinstance(entry, dict) else entry
    return finite_numbers(data if data is not None else [], f"{path}: {key}")


def _whole(content: dict, key: str, path: Path) -> int | None:
    value = content.get(key)
    if value is not None and not (isinstance(value, int) and value > 0):
        raise DataError(f"{path}: {key}: a positive whole number is needed, found {value!r}")
    return value
