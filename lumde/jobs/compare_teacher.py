"""Whether a teacher that no row of a study made has anything to teach."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lumde.data.base import FrameDataset
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
    spread = dataset.targets[:: -(-len(dataset.targets) // SHOWN)]
    keys = [key for key in spread if dataset.read(key).depth is not None]
    if not keys:
        return None
    teacher, pictures = _begun(config, dataset, keys)
    answers = [_asked(teacher, picture, key) for picture, key in zip(pictures, keys, strict=True)]
    known = [number for number, answer in enumerate(answers) if (answer > 0).any()]
    if not known:
        return None
    seen = _Seen(dataset, [keys[number] for number in known], [answers[number] for number in known])
    align = "scale_shift" if teacher.affine else "median"
    found = evaluate_disparities({"": seen.disparity}, seen, align=align)[""]
    maps = evaluate_trivial(seen, align=align)
    return {
        "teacher": found.summary["metrics"]["abs_rel"],
        "trivial": min(metrics["abs_rel"] for metrics in maps.values()),
    }


class _Seen(FrameDataset):
    """Frames of a data set with depth where a teacher answers any."""

    def __init__(
        self, whole: FrameDataset, keys: Sequence[FrameKey], answers: Sequence[Float[np.ndarray, "h w"]]
    ) -> None:
        self.whole, self.targets, self.answers = whole, keys, answers
        self.provides, self.protocol, self.config = whole.provides, whole.protocol, whole.config

    def neighbour(self, key: FrameKey, offset: int) -> FrameKey | None:
        """As in the whole set."""
        return self.whole.neighbour(key, offset)

    def read(self, key: FrameKey) -> Frame:
        """As in the whole set, but for measurements where the teacher is silent."""
        frame = self.whole.read(key)
        assert frame.depth is not None
        height, width = frame.depth.shape
        answered = at_centres(self.answers[self.targets.index(key)] > 0, (height, width))
        return replace(frame, depth=np.where(answered, frame.depth, 0))

    def disparity(self, number: int, _frame: Frame) -> Float[np.ndarray, "h w"]:
        """What the teacher answers; elsewhere, where nobody asks, the median of that."""
        depth = self.answers[number]
        middle = np.median(depth[depth > 0])
        return np.asarray(1 / np.where(depth > 0, depth, middle), np.float32)


def _begun(
    config: TrainConfig, dataset: FrameDataset, keys: Sequence[FrameKey]
) -> tuple[Teacher, list[Float[Tensor, "3 h w"]]]:
    """The teacher after its first look at pictures, and these; no cache: a study leaves nothing elsewhere."""
    assert config.teacher is not None
    size = (config.snippets.height, config.snippets.width)
    pictures = [resize_image(dataset.read(key).image, size).float() / 255 for key in keys]
    plain = {"cache": ""} if hasattr(config.teacher, "cache") else {}
    teacher: Teacher = build(TEACHERS, replace(config.teacher, **plain))
    teacher.check([_name(key) for key in keys])
    teacher.begin(torch.stack(pictures[:FIRST]))
    return teacher, pictures


@torch.inference_mode()
def _asked(teacher: Teacher, picture: Float[Tensor, "3 h w"], key: FrameKey) -> Float[np.ndarray, "h w"]:
    """Its depth of a frame; 0 = it knows nothing."""
    images = picture[None]
    frames = FrameBatch(image=images, jittered=images, intrinsics=torch.eye(3)[None], keys=(_name(key),))
    depth = teacher.look(frames)[0, 0]
    return torch.where(depth.isfinite() & (depth > 0), depth, 0.0).numpy()


def _name(key: FrameKey) -> str:
    """As batches carry it."""
    return f"{key.sequence}/{key.name}"
