"""Score depth against ground truth: KITTI, NYU, own folders or synthetic drives, by the published protocols.

MODEL is a run, checkpoint or model folder. The table goes to stdout; --json writes per_image.csv as well.
Where frames have neighbours the table ends with a score that takes no ground truth: how well the depth, at
the camera motion that suits it best, explains them. Without ground truth it is all that is told.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lumde.data.base import FrameDataset
    from lumde.evaluators.base import Evaluation

EXAMPLE = (
    "lumde evaluate runs/teacher --data kitti_raw --root /data/kitti --split eigen --json result/eigen.json"
)
ALIGN = ("median", "scale_shift", "dataset_scale", "none")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is scored, on which data, and by which rules."""
    parser.add_argument(
        "model", nargs="?", type=Path, metavar="MODEL", help="run, checkpoint or model folder"
    )
    parser.add_argument(
        "--predictions", type=Path, metavar="FILE.npy", help="floats [N, h, w] in place of MODEL"
    )
    parser.add_argument("--predictions-are", choices=("disparity", "depth"), default="disparity")
    parser.add_argument("--data", required=True, metavar="NAME", help="dataset (lumde list datasets)")
    parser.add_argument("--root", metavar="DIR", help="its folder; synthetic needs none")
    parser.add_argument("--split", metavar="LIST", help="published list by name, or a file")
    parser.add_argument(
        "--frames", metavar="A:B", help="only frames A to B-1 of each sequence; A:B,C:D = two ranges"
    )
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="more of the dataset"
    )
    parser.add_argument("--align", choices=ALIGN, default="median", help="how predictions get their scale")
    parser.add_argument("--flip", action="store_true", help="average with the mirrored image's prediction")
    parser.add_argument(
        "--assume-metres", action="store_true", help="allow --align none for a relative model"
    )
    parser.add_argument(
        "--trivial-split", metavar="LIST", help="trivial maps from this list, not the test frames"
    )
    parser.add_argument("--trivial-frames", metavar="A:B", help="trivial maps from these frames")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result and per_image.csv")


def run(args: argparse.Namespace) -> None:
    """Evaluate and print."""
    _check(args)
    from lumde.errors import DataError
    from lumde.files import write_json
    from lumde.jobs import evaluate as job
    from lumde.jobs.clip_score import clip_line, clip_score

    dataset = job.open_dataset(args.data, args.root, args.split, args.frames, args.option)
    alone = args.model is not None and "depth" not in dataset.provides
    if alone and (clip := clip_score(args.model, dataset)):
        print(clip_line(clip))
        if args.json:
            write_json(args.json, {"data": args.data, "clip": clip})
        return
    result = _evaluated(args, dataset)  # first: it refuses at once what cannot be compared
    try:
        if args.model is not None and (clip := clip_score(args.model, dataset)):
            result.summary["clip"] = clip
    except DataError as error:  # of neighbours that the metrics did not need
        result.notes.append(f"no score of the clip: {error}")
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    print(job.table(result, str((args.model or args.predictions).name)))
    if args.json:
        job.save(result, args.json)


def _check(args: argparse.Namespace) -> None:
    """Refuse options that do not fit together."""
    from lumde.errors import UsageError

    if (args.model is None) == (args.predictions is None):
        raise UsageError("evaluate: give a MODEL folder or --predictions FILE.npy, one of them")
    if args.predictions is not None and args.flip:
        raise UsageError(
            "--flip needs a MODEL: predictions from a file cannot be made again on mirrored images"
        )


def _evaluated(args: argparse.Namespace, dataset: "FrameDataset") -> "Evaluation":
    """Metrics of a model or of predictions, and the trivial rows."""
    from lumde.jobs import evaluate as job
    from lumde.progress import shown

    training = None
    if args.trivial_split or args.trivial_frames:
        training = job.open_dataset(
            args.data, args.root, args.trivial_split, args.trivial_frames, args.option
        )
    if args.model is not None:
        result = job.evaluate_model(args.model, dataset, args.align, args.flip, args.assume_metres, shown)
    else:
        result = job.evaluate_predictions(args.predictions, dataset, args.align, args.predictions_are, shown)
    return job.add_context(result, dataset, training)
