"""Turn foreign weight files into a model folder, without executing anything in them.

FOREIGN is a folder in Monodepth2 format: encoder.pth and depth.pth, optionally pose_encoder.pth and pose.pth.
"""

import argparse
from pathlib import Path

EXAMPLE = "lumde convert downloads/mono_640x192 --out models/mono_640x192"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare source and destination."""
    parser.add_argument("foreign", type=Path, metavar="FOREIGN", help="folder of weight files")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new model folder")


def run(args: argparse.Namespace) -> None:
    """Convert and tell what came out."""
    from lumde.jobs.convert import convert

    config = convert(args.foreign, args.out).config
    layers = getattr(config.net, "layers", "")
    print(f"{args.out}: ResNet-{layers}, {config.width}x{config.height}, unit {config.unit}")
