"""Whether the parts of a run fit each other, before any training."""

from lumde.engine.run_config import TrainConfig
from lumde.errors import ConfigError
from lumde.methods.base import Method
from lumde.nets.base import DepthNet
from lumde.teachers import Teacher

REMEDIES = {  # what a method may miss in a teacher, and where it can be had
    "maps": "any teacher has them",
    "depth": "of any picture: stored maps have none of new ones, take the network that made them",
    "features": "maps of an encoder: take a run of ours",
    "statistics": "it has no BatchNorm: take a run of ours with it, or leave out what uses them",
}


def require_fit(config: TrainConfig, method: Method, teacher: Teacher | None) -> None:
    """Refuse sizes that the method cannot use, a teacher that lacks what it asks for or fits no student."""
    sizes = config.augment.windows or ((config.snippets.height, config.snippets.width),)
    if any(side % method.multiple for size in sizes for side in size):
        raise ConfigError(
            f"snippets: method {config.method.name} needs heights and widths that are multiples of "
            f"{method.multiple}, found {sizes}"
        )
    if "sources" in method.needs and not (config.snippets.offsets or config.snippets.stereo):
        raise ConfigError(
            f"snippets.offsets: method {config.method.name} compares frames; name some, as in [-1, 1]"
        )
    if config.confidence and method.arbiter is None:
        raise ConfigError("confidence: needs an arbiter, which doubts the teacher: set method.arbiter={}")
    if method.arbiter is not None and {offset < 0 for offset in config.snippets.offsets} != {True, False}:
        raise ConfigError(
            f"method.arbiter: needs snippets.offsets before and after the target, found "
            f"{list(config.snippets.offsets)}: one side proves nothing"
        )
    if teacher is not None:
        _require_fitting_teacher(config, method, teacher)


def _require_fitting_teacher(config: TrainConfig, method: Method, teacher: Teacher) -> None:
    if lacking := sorted(set(method.teacher_gives) - set(teacher.gives)):
        what = "; ".join(f"{one} ({REMEDIES[one]})" for one in lacking)
        raise ConfigError(f"teacher: it does not give what {config.method.name} needs: {what}")
    unheard = [key for key in ("cache", "most_spread") if getattr(config.teacher, key, None)]
    if unheard and "maps" not in method.teacher_gives:
        raise ConfigError(
            f"teacher.{unheard[0]}: not for {config.method.name}, whose pictures change; drop it"
        )
    stored = "depth" not in teacher.gives or bool(getattr(config.teacher, "cache", ""))
    if stored and config.augment.windows:
        raise ConfigError("augment.windows: stored maps show whole frames; leave windows away with them")
    if teacher.weighs and not method.weighs:
        raise ConfigError(
            "teacher.spread: weighs plain imitation alone (method response, loss log_l1); most_spread leaves "
            "pixels out of any loss"
        )
    if teacher.affine and method.arbiter is not None:
        raise ConfigError(
            "method.arbiter: warps by true shapes, and this teacher's disparity has an unknown shift; drop it"
        )
    _require_same_range(config.student, teacher)


def _require_same_range(student: DepthNet.Config, teacher: Teacher) -> None:
    """What a sigmoid answers is told by its limits; bins lie where the teacher's depths do, within theirs."""
    if teacher.depth_range is None:
        return
    (low, high), (nearest, farthest) = teacher.depth_range, student.limits
    if getattr(student, "bins", 0) and nearest <= low and high <= farthest:
        return
    if (low, high) != (nearest, farthest):
        raise ConfigError(
            f"teacher: its depths run from {low} to {high}, the student's from {nearest} to {farthest}; "
            f"set student.min_depth={low} student.max_depth={high}"
        )
