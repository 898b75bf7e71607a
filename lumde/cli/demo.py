"""Show the whole job on procedural drives: teacher, distilled student, student without a teacher.

Renders worlds, trains a teacher from frames alone, distils it into a light student, trains the same student
without distillation, evaluates all on unseen worlds, exports depth of an unseen drive, writes report.html.
No download, no GPU; at most ten minutes on two CPU cores (--quick: one minute, too short to learn much).
"""

import argparse
import sys
from pathlib import Path

EXAMPLE = "lumde demo --out demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options (contract: frozen)."""
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), metavar="DIR", help="new folder (default: demo)"
    )
    parser.add_argument("--quick", action="store_true", help="same stages, tiny: does everything work here?")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="worlds, weights, order (default: 0)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the summary as JSON")


def run(args: argparse.Namespace) -> None:
    """Run the demo and print its verdicts."""
    from lumde.errors import UsageError
    from lumde.files import write_json
    from lumde.jobs.demo import run_demo

    if args.seed < 0:
        raise UsageError(f"--seed {args.seed}: must not be negative")
    summary = run_demo(args.out, args.quick, args.seed, lambda text: print(text, file=sys.stderr, flush=True))
    if args.json:
        write_json(args.json, summary)
    for aim in summary["aims"]:
        verdict = "met    " if aim["met"] else "NOT met"
        print(f"{verdict}  {aim['name']}: {aim['value']:.3f} ({aim['target']})")
    if args.quick:
        print("A quick run is too short to learn: it shows that every stage works here.")
    print(f"report: {args.out / 'report.html'}")
