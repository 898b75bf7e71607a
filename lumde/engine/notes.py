"""What a user should hear before a run begins, of its terms and of its teacher."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lumde.errors import ConfigError
from lumde.files import read_json, write_json
from lumde.methods.base import Method
from lumde.structures import FrameBatch
from lumde.teachers.base import Teacher
from lumde.teachers.foreign import polarity
from lumde.teachers.maps import MapsTeacher

MOST_OUTSIDE = 0.5  # of a teacher's depths beyond the student's range
TEACHER_FOUND = "teacher.json"  # in a run folder: what the teacher found out when the run began


def late_terms(steps: int, method: Method) -> list[str]:
    """Terms that a run of so many steps (0 = not known yet) is too short for."""
    return [
        f"{name}: begins at step {start:,}, which this run of {steps:,} steps never reaches"
        for name, start in method.begins.items()
        if steps and start >= steps
    ]


def teacher_notes(method: Method, teacher: Teacher, frames: FrameBatch, out: Path) -> list[str]:
    """What there is to say of a teacher on frames that a run goes on with; what it found at first stays so.

    Raises:
        ResourceError: the disk has no room for the maps that the teacher shall keep.
        ConfigError: another teacher than when the run began, or one of another range or polarity.
    """
    file = out / TEACHER_FOUND
    if file.exists():
        teacher.restore(read_json(file))
    notes = teacher.begin(frames.image)
    with method.autocast(frames.image), torch.no_grad():
        depth = teacher.look(frames)
    metres = teacher.metres_per_unit(depth)
    if getattr(method.config, "paper", False):  # it learns metres, true or nominal
        depth = metres * depth
    for doubt in _doubts(teacher, depth, method.student.config.limits, method.leaves_shift):
        # Frames of a later step are no reason to stop a run that began: nobody could change its config now.
        if doubt.refuses and not file.exists():
            raise ConfigError(doubt.text)
        notes.append(doubt.text)
    if teacher.affine and not method.leaves_shift:
        notes.append(
            "teacher: its disparity is right only up to a factor and a shift, and this loss learns both as "
            "they are; response with method.loss=affine_invariant leaves them open"
        )
    if method.leaves_scale and teacher.unit == "metres":
        left = "factor and shift" if method.leaves_shift else "the scale"
        notes.append(
            f"teacher: it answers metres, and this loss leaves {left} open: the student's depth "
            "will be relative; method.loss=log_l1 learns the metres too"
        )
    write_json(file, teacher.state())
    teacher.keep = partial(write_json, file)
    return notes


class _Doubt(NamedTuple):
    """What looks wrong, and whether a run must not begin with it."""

    text: str
    refuses: bool = False


def _doubts(
    teacher: Teacher, depth: Float[Tensor, "b 1 h w"], limits: tuple[float, float], leaves_scale: bool
) -> list[_Doubt]:
    """What looks wrong about a teacher's depth.

    No run begins if most of it lies beyond the student's range, though the loss compares both as they are; or
    if stored maps are upside down, and nobody said what they hold.
    """
    there = depth.isfinite() & (depth > 0)
    if not there.any():
        return [_Doubt("teacher: knows no depth of the first frames")]
    doubts = []
    known, (low, high) = depth[there], limits
    outside = float(((known < low) | (known > high)).float().mean())
    if outside > MOST_OUTSIDE and not leaves_scale:
        text = (
            f"teacher: {outside:.0%} of its depths (median {float(known.median()):.3g}) lie outside of the "
            f"student's range, {low:g} to {high:g}: set student.min_depth and student.max_depth"
        )
        doubts.append(_Doubt(text, refuses=True))
    disparity = torch.where(there, 1 / depth, 0.0)  # a hole mostly is sky
    if isinstance(teacher, MapsTeacher) and polarity(disparity) != "disparity":  # networks look at themselves
        found = "teacher: its maps call far what is low in a picture, as if they held disparity"
        unsaid = teacher.answers is None
        advice = "say what they hold, teacher.answers=depth or disparity"
        text = f"{found}; {advice if unsaid else 'if they do, set teacher.answers=disparity'}"
        doubts.append(_Doubt(text, refuses=unsaid))
    return doubts
