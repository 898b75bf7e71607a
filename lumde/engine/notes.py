"""What a user should hear before a run begins, of its terms and of its teacher."""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from lumde.files import read_json, write_json
from lumde.methods.base import Method
from lumde.teachers.base import Teacher

FOUND = "teacher.json"  # in a run folder: what the teacher found out when the run began


def late_terms(steps: int, method: Method) -> list[str]:
    """Terms that a run of so many steps (0 = not known yet) is too short for."""
    return [
        f"{name}: begins at step {start:,}, which this run of {steps:,} steps never reaches"
        for name, start in method.begins.items()
        if steps and start >= steps
    ]


def teacher_notes(teacher: Teacher, images: Float[Tensor, "b 3 h w"], out: Path) -> list[str]:
    """What a teacher has to say of the pictures that a run goes on with; what it found at first stays so.

    Raises:
        ResourceError: the disk has no room for the maps that the teacher shall keep.
    """
    file = out / FOUND
    if file.exists():
        teacher.restore(read_json(file))
    notes = teacher.begin(images)
    if state := teacher.state():
        write_json(file, state)
    return notes
