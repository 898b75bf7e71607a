"""Turn videos, folders of images and COLMAP projects into a dataset folder for training.

A SOURCE is a video, a folder (of images, of videos), a glob in quotes, or a COLMAP folder with cameras.txt,
images.txt and images/. Distorted pictures are straightened; your files are only read. Without a camera the
focal length of EXIF or container is used, else 60 degrees, marked `assumed` in camera.yaml.
Damaged frames are left out; what follows them becomes the sequence NAME_part2.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from lumde.cli.options import add_camera, positive

EXAMPLE = "lumde prepare drive.mp4 'photos/*.jpg' --out data/drives --camera cam.yaml --fps 10 --size 640x360"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare sources, output, camera and thinning."""
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="video, folder, glob or COLMAP folder")
    parser.add_argument("--out", type=Path, required=True, metavar="DATA", help="new dataset folder")
    add_camera(parser, positive)
    parser.add_argument("--fps", type=positive, metavar="F", help="frames per second taken from videos")
    parser.add_argument("--size", type=_size, metavar="WxH", help="resize; the camera is carried along")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report")


def run(args: argparse.Namespace) -> None:
    """Prepare, and tell what became of each recording."""
    from lumde import files
    from lumde.data.prepare import PrepareOptions, prepare, report_row
    from lumde.progress import shown

    options = PrepareOptions(
        camera=args.camera, focal_px=args.focal, fov_deg=args.fov, fps=args.fps, size=args.size
    )
    reports = [report_row(report) for report in prepare(args.sources, args.out, options, shown)]
    for report in reports:
        _warn(report)
        print(
            f"{report['name']}: {report['frames']} frames in {report['sequences']} sequence(s); "
            f"{report['decoded']} decoded, {report['damaged']} damaged, {report['missing']} missing; "
            f"camera: {report['camera']}"
        )
    if args.json:
        files.write_json(args.json, {"out": str(args.out), "recordings": reports})


def _warn(report: dict[str, Any]) -> None:
    name = report["name"]
    if report["assumed"]:
        print(f"{name}: camera {report['camera']}; give --camera, --focal or --fov", file=sys.stderr)
    for problem in report["problems"]:
        print(f"{name}: left out: {problem}", file=sys.stderr)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r}: WIDTHxHEIGHT is needed, as 640x192")
    return int(match[1]), int(match[2])
