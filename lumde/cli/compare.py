"""Run a study: several ways to train, several seeds, frozen test sets, one table with honest intervals.

STUDY.yaml names rows (a config and what differs in it), seeds, test sets and the contrasts to be judged.
Every run that ends leaves its result; the same command with --resume does the rest. DIR gets study.md,
study.csv, study.html and study.json. A file that lists `parts` (name: STUDY.yaml) runs those one after the
other, each in a folder of its own, and then judges over all of them: leave-one-block-out is one.
"""

import argparse
import sys
from pathlib import Path

EXAMPLE = "lumde compare studies/rooms.yaml --out studies/out/rooms"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the study and where it lives."""
    parser.add_argument("study", type=Path, metavar="STUDY.yaml", help="what is compared")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="values of the study to override")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder")
    parser.add_argument("--resume", action="store_true", help="go on with the study in DIR")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary here too")


def run(args: argparse.Namespace) -> None:
    """Compare and print the tables."""
    from lumde.files import read_text, write_json
    from lumde.jobs.compare_parts import run_study

    summary = run_study(
        args.study, args.out, args.resume, lambda text: print(text, file=sys.stderr), args.overrides
    )
    if args.json:
        write_json(args.json, summary)
    print(read_text(args.out / "study.md"))
