"""Whether a teacher that no row of a study made has anything to teach."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lumde.data.base import FrameDataset, thinned
from lumde.data.resize import at_centres, resize_image
from lumde.engine.run_config import TrainConfig
from lumde.evaluators.accuracy import evaluate_disparities, evaluate_trivial
from lumde.methods import METHODS
from lumde.registry import build
from lumde.structures import Frame, FrameBatch, FrameKey
from lumde.teachers import TEACHERS
from lumde.teachers.base import Teacher

SHOWN = 64  # frames, evenly spread, on which it is held against maps that ignore the picture
FIRST = 8  # pictures that it looks at before it is asked (`Teacher.begin`)


def outside_teacher(config: TrainConfig, dataset: FrameDataset) -> dict[str, float] | None:
    """How a teacher's depth errs on frames that it teaches from, and how the best map that ignores them does.

    Both are held against the same frames, where the teacher knows anything, and the maps are made of these
    frames. A teacher known only up to a shift is fitted with one, as are they.

    Returns:
        abs_rel of `teacher` and of `trivial`; None where nothing imitates it or nobody measured depth.
    """
    imitated = config.teacher is not None and METHODS[config.method.name].teacher_gives
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
