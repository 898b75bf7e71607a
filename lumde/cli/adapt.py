"""Let the shipped network learn on from your own unlabelled video or pictures, for some minutes.

SOURCE is a video, a folder or glob of pictures, or a dataset folder. The camera has to travel: standing still
or turning on the spot teaches no depth, and the verdict says so. What does not explain frames that were held
out better than the network as it came, and than a flat world, is not kept. RUN/model holds the result.
"""

import argparse
import sys
from pathlib import Path

from lumde.cli.options import add_camera, positive

EXAMPLE = "lumde adapt drive.mp4 --minutes 10 --out runs/adapted"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare source, budget, output and camera."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="video, pictures or dataset folder")
    parser.add_argument("--minutes", type=positive, default=10.0, metavar="N", help="of training (10)")
    parser.add_argument("--out", type=Path, default=Path("runs/adapted"), metavar="RUN", help="run folder")
    parser.add_argument("--model", type=Path, metavar="MODEL", help="start; without it the shipped one")
    add_camera(parser, positive)
    parser.add_argument("--fps", type=positive, metavar="F", help="frames per second taken from a video")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the verdict here too")


def run(args: argparse.Namespace) -> None:
    """Adapt and tell the verdict."""
    from dataclasses import asdict

    from lumde.data.prepare import PrepareOptions
    from lumde.engine.loop_config import LoopConfig
    from lumde.files import write_json
    from lumde.jobs.adapt import adapt
    from lumde.progress import shown

    options = PrepareOptions(camera=args.camera, focal_px=args.focal, fov_deg=args.fov, fps=args.fps)
    budget = LoopConfig(minutes=args.minutes)
    verdict = adapt(args.source, args.out, budget, args.model, options, _say, shown)
    if args.json:
        write_json(args.json, asdict(verdict))
    print(verdict.reason)
    print(f"model: {args.out / 'model'}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
