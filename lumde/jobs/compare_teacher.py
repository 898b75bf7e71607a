"""Whether a teacher that no row of a study made has anything to teach."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lumde.data.base import FrameDataset, thinned
from lumde.data.resize import at_centres, resize_image
from lumde.engine.run_config import TrainConfig
from lumde.evaluators.accuracy import evaluate_disparities, evaluate_trivial
from lumde.files import read_json, write_json
from lumde.jobs.compare_outside import outside
from lumde.jobs.compare_store import Say, row_settings
from lumde.jobs.study import StudyConfig, config_of
from lumde.methods import METHODS
from lumde.registry import Named, build
from lumde.structures import Frame, FrameBatch, FrameKey
from lumde.teachers import TEACHERS
from lumde.teachers.base import Teacher
from lumde.worlds import VERSION

SHOWN = 64  # frames, evenly spread, on which it is held against maps that ignore the picture
FIRST = 8  # pictures that it looks at before it is asked (`Teacher.begin`)
TeacherErrors = dict[str, float]  # abs_rel of `teacher` and of `trivial`


def outside_teachers(
    study: StudyConfig, open_data: Callable[[Named], FrameDataset], folder: Path, out: Path, say: Say
) -> dict[str, TeacherErrors]:
    """Errors of every row's teacher that no row made, and of the best maps that ignore what it sees.

    No seed changes them: `out`/outside_teachers.json keeps them for the next start.

    Args:
        study: whose rows learn from them.
        open_data: gives the frames of a row.
        folder: of the study's file.
        out: of the study.
        say: hears what was found.

    Returns:
        What `outside_teacher` says, of the rows of which it says anything.
    """
    file = out / "outside_teachers.json"
    known: list[dict[str, Any]] = read_json(file) if file.exists() else []
    found = {}
    for name in [name for name, row in study.rows.items() if not row.teacher]:
        config = config_of(study, name, folder, out)
        about = {"row": _about(study, name, folder), "taken": outside(study, name, folder, out)}
        errors: TeacherErrors = next((one["errors"] for one in known if one["about"] == about), {})
        if not errors and (new := outside_teacher(config, open_data(config.data))):
            errors = new
            known.append({"about": about, "errors": errors})
            write_json(file, known)
            say(f"rows.{name}: {_told(errors)}")
        if errors:
            found[name] = errors
    return found


def _about(study: StudyConfig, name: str, folder: Path) -> dict[str, Any]:
    """What an outside teacher's errors depend on, beside its weights or maps."""
    row = row_settings(study, name, folder)
    return {part: row[part] for part in ("teacher", "snippets", "data")} | {"generator": VERSION}


def _told(errors: TeacherErrors) -> str:
    text = (
        f"its teacher's abs_rel is {errors['teacher']:.3f} on frames that it teaches, "
        f"{errors['trivial']:.3f} that of the best map that ignores them"
    )
    return f"{text}: no verdict on who learns from it" if teaches_nothing(errors) else text


def teaches_nothing(errors: TeacherErrors) -> bool:
    """Whether a teacher is no better than a map that ignores the picture."""
    return errors["teacher"] >= errors["trivial"]


def outside_teacher(config: TrainConfig, dataset: FrameDataset) -> dict[str, float] | None:
    """How a teacher's depth errs on frames that it teaches from, and how the best map that ignores them does.

    Both are held against the same frames, where the teacher knows anything, and the maps are made of these
    frames. A teacher known only up to a shift is fitted with one, as are they.

    Returns:
        abs_rel of `teacher` and of `trivial`; None where nothing imitates it or nobody measured depth.
    """
    imitated = config.teacher is not None and METHODS[config.method.name].asks_teacher(config.method)
    if not imitated or "depth" not in dataset.provides:
        return None
    asked = thinned(dataset.targets, SHOWN)
    frames = {key: frame for key in asked if (frame := dataset.read(key)).depth is not None}
    if not frames:
        return None
    size = (config.snippets.height, config.snippets.width)
    pictures = {key: resize_image(frame.image, size).float() / 255 for key, frame in frames.items()}
    teacher = _begun(config, pictures)
    answers = {key: _asked(teacher, picture, key) for key, picture in pictures.items()}
    seen = _Seen(dataset, frames, {key: answer for key, answer in answers.items() if (answer > 0).any()})
    if not seen.targets:
        return None
    align = "scale_shift" if teacher.affine else "median"
    found = evaluate_disparities({"": seen.disparity}, seen, align=align)[""]
    maps = evaluate_trivial(seen, align=align)
    return {
        "teacher": found.summary["metrics"]["abs_rel"],
        "trivial": min(metrics["abs_rel"] for metrics in maps.values()),
    }


class _Seen(FrameDataset):
    """Frames, read once, with depth where a teacher answers any."""

    def __init__(
        self,
        whole: FrameDataset,
        frames: Mapping[FrameKey, Frame],
        answers: Mapping[FrameKey, Float[np.ndarray, "h w"]],
    ) -> None:
        self.provides, self.protocol, self.config = whole.provides, whole.protocol, whole.config
        self.frames, self.answers, self.targets = frames, answers, list(answers)

    def neighbour(self, key: FrameKey, offset: int) -> FrameKey | None:
        """None: frames are asked for singly."""
        return None

    def read(self, key: FrameKey) -> Frame:
        """The frame, but for measurements where the teacher is silent."""
        frame = self.frames[key]
        assert frame.depth is not None
        height, width = frame.depth.shape
        answered = at_centres(self.answers[key] > 0, (height, width))
        return replace(frame, depth=np.where(answered, frame.depth, 0))

    def disparity(self, number: int, _frame: Frame) -> Float[np.ndarray, "h w"]:
        """What the teacher answers; elsewhere, where nobody asks, the median of that."""
        depth = self.answers[self.targets[number]]
        middle = np.median(depth[depth > 0])
        return np.asarray(1 / np.where(depth > 0, depth, middle), np.float32)


def _begun(config: TrainConfig, pictures: Mapping[FrameKey, Float[Tensor, "3 h w"]]) -> Teacher:
    """The teacher after its first look at pictures; no cache: a study leaves nothing elsewhere."""
    assert config.teacher is not None
    plain = {"cache": ""} if hasattr(config.teacher, "cache") else {}
    teacher: Teacher = build(TEACHERS, replace(config.teacher, **plain))
    teacher.check([key.path for key in pictures])
    teacher.begin(torch.stack(list(pictures.values())[:FIRST]))
    return teacher


@torch.inference_mode()
def _asked(teacher: Teacher, picture: Float[Tensor, "3 h w"], key: FrameKey) -> Float[np.ndarray, "h w"]:
    """Its depth of a frame; 0 = it knows nothing."""
    images = picture[None]
    frames = FrameBatch(image=images, jittered=images, intrinsics=torch.eye(3)[None], keys=(key.path,))
    depth = teacher.look(frames)[0, 0]
    return torch.where(depth.isfinite() & (depth > 0), depth, 0.0).numpy()
