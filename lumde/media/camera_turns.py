"""Cameras whose pictures are turned by quarters, as phones store them."""

from dataclasses import replace

import numpy as np

from lumde.media.camera_checks import focal_and_centre
from lumde.media.cameras import Camera


def rotated(camera: Camera, quarter_turns: int) -> Camera:
    """Carry a camera of known size along when its pictures are turned counter-clockwise by quarters."""
    for _ in range(quarter_turns % 4):
        camera = _turned_once(camera)
    return camera


def upright_camera(camera: Camera, width: int, height: int, quarter_turns: int) -> Camera:
    """Turn a camera that states the sensor's size along with pictures that were turned upright.

    Args:
        camera: as its file states it, for pictures as the sensor made them or upright ones.
        width: of the upright pictures, pixels; so `height`.
        height: of them.
        quarter_turns: counter-clockwise, by which they were turned.
    """
    if quarter_turns % 2 == 0 or not (camera.width and camera.height):
        return camera
    lying = (camera.width > camera.height) != (width > height)
    turned = replace(rotated(camera, quarter_turns), source=f"{camera.source}, turned upright")
    return turned if lying else camera


def _turned_once(camera: Camera) -> Camera:
    """Turn by 90 degrees counter-clockwise: the pixel (x, y) moves to (y, width - 1 - x)."""
    (fx, fy, cx, cy), (width, height) = focal_and_centre(camera.intrinsics), camera.size
    intrinsics = np.array([[fy, 0, cy], [0, fx, width - 1 - cx], [0, 0, 1.0]])
    distortion = list(camera.distortion)
    if len(distortion) >= 4:
        p1, p2 = distortion[2:4]  # tangential distortion acts as the vector (p2, p1), which turns along
        distortion[2:4] = [-p2, p1]
    return replace(camera, intrinsics=intrinsics, width=height, height=width, distortion=tuple(distortion))
