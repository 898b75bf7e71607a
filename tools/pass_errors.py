"""What enlarged and mirrored passes of a teacher are worth: its error on streets-v1, by passes.

Usage: python tools/pass_errors.py RUN...   networks trained on streets at 64x192
"""

import sys
from pathlib import Path

import torch

from lumde.data import DATASETS
from lumde.data.resize import resize_image
from lumde.data.synthetic import Synthetic
from lumde.evaluators.accuracy import evaluate_disparities
from lumde.registry import build
from lumde.structures import Frame
from lumde.teachers import TEACHERS
from lumde.teachers.run import RunTeacher

SIZE = (64, 192)
PASSES = (((1.0,), False), ((1.0,), True), ((1.5,), False), ((2.0,), False), ((1.0, 1.5), True))


def main(runs: list[Path]) -> None:
    """Print a table: one line per network and kind of passes."""
    tests = build(DATASETS, Synthetic.Config(name="synthetic", test_set="streets-v1", height=64, width=192))
    print("| network | sizes | mirrored too | abs_rel | a1 |\n| --- | --- | --- | --- | --- |")
    for run in runs:
        for sizes, flip in PASSES:
            teacher = build(TEACHERS, RunTeacher.Config(name="run", path=str(run), sizes=sizes, flip=flip))

            @torch.inference_mode()
            def disparity(_number: int, frame: Frame, teacher: RunTeacher = teacher):  # noqa: ANN202
                picture = resize_image(frame.image, SIZE)[None].float() / 255
                return (1 / teacher.depth(picture))[0, 0].numpy()

            found = evaluate_disparities({"": disparity}, tests, align="median")[""].summary["metrics"]
            listed = " + ".join(f"{size:g}" for size in sizes)
            mirrored = "yes" if flip else "no"
            print(
                f"| {run.name} | {listed} | {mirrored} | {found['abs_rel']:.3f} | {found['a1']:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
