"""Options that several verbs share."""

import argparse
from collections.abc import Callable
from pathlib import Path


def positive(text: str) -> float:
    """Parse a finite number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: a positive number is needed")
    return value


def add_camera(parser: argparse.ArgumentParser, number: Callable[[str], float]) -> None:
    """Declare three ways to tell a camera, of which one may be used; `number` parses length and angle."""
    camera = parser.add_mutually_exclusive_group()
    camera.add_argument("--camera", type=Path, metavar="FILE", help="ROS, COLMAP, KITTI or `fx fy cx cy`")
    camera.add_argument("--focal", type=number, metavar="PX", help="focal length in pixels of the source")
    camera.add_argument("--fov", type=number, metavar="DEG", help="horizontal field of view")
