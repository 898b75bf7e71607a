"""Depth for an image, a folder, a glob in quotes or a video, at the source's resolution.

DIR gets depth/*.png (16 bit), npy/*.npy, points/*.ply and depth.mp4 as --save asks, and index.json with unit,
scale and camera. A model without scale says `relative`: distances up to one unknown factor. --resume goes on
after a stop. Without a camera: camera.yaml of a dataset folder's sequence, else the focal length of EXIF or
container, else 60 degrees, marked `assumed`.
"""

import argparse
import sys
from pathlib import Path

from lumde.cli.options import add_camera

EXAMPLE = "lumde predict drive.mp4 --out depth --save png16,mp4"
FORMATS = ("png16", "npy", "mp4", "ply")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare source, model, output, formats and camera."""
    parser.add_argument("source", metavar="SOURCE", help="image, folder, glob in quotes, or video")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder")
    parser.add_argument(
        "--model",
        type=Path,
        metavar="MODEL",
        help="run, checkpoint or model folder; without it the shipped one",
    )
    parser.add_argument(
        "--save", type=_formats, default=("png16",), metavar="LIST", help=f"of {','.join(FORMATS)}"
    )
    add_camera(parser, float)
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted prediction in DIR")


def run(args: argparse.Namespace) -> None:
    """Predict and tell where the files are."""
    from lumde.engine.devices import pick_device
    from lumde.files import printable
    from lumde.jobs.predict import CameraChoice, predict_source
    from lumde.models import load
    from lumde.progress import shown

    model = load(args.model).to(pick_device("auto"))
    choice = CameraChoice(args.camera, args.focal, args.fov)
    index = predict_source(args.source, model, args.out, args.save, choice, args.resume, shown)
    for skipped in index["skipped"]:
        print(f"left out: {printable(skipped['problem'])}", file=sys.stderr)
    if index.get("video", {}).get("damaged"):
        print(f"{index['video']['damaged']} damaged frames, marked in index.json", file=sys.stderr)
    if index["intrinsics_source"].startswith("assumed"):
        source = index["intrinsics_source"]
        print(f"camera: {source}; give --camera, --focal or --fov for true points", file=sys.stderr)
    if index.get("affine"):
        print("depth is right up to scale and shift of its inverse: shapes are not true", file=sys.stderr)
    print(f"{len(index['frames'])} frames, depth in {_unit(index['unit'])}: {args.out}")


def _unit(unit: str) -> str:
    return "metres" if unit == "metres" else "relative units (no metres: the model has no scale)"


def _formats(text: str) -> tuple[str, ...]:
    chosen = tuple(part.strip() for part in text.split(","))
    if unknown := [part for part in chosen if part not in FORMATS]:
        raise argparse.ArgumentTypeError(f"unknown format '{unknown[0]}'; known: {', '.join(FORMATS)}")
    return chosen
