"""How far a student's depth is from its teacher's: what every method that only imitates has in common."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from jaxtyping import Bool, Float
from torch import Tensor, nn

from lumde.losses.imitation import affine_invariant, scale_invariant, structural, three_term
from lumde.losses.pixelwise import aligned_log_l1, gradient_matching, log_l1
from lumde.methods.base import (
    Method,
    Streams,
    imitation_pictures,
    mean_of,
    require_teacher,
)
from lumde.nets.base import DepthNet
from lumde.nets.bins import widen_bins
from lumde.structures import FrameBatch, Unit
from lumde.teachers.base import Teacher

LOSSES = {
    "aligned_log_l1": aligned_log_l1,
    "three_term": three_term,
    "structural": structural,
    "scale_invariant": scale_invariant,
    "affine_invariant": affine_invariant,
}


class Imitator(Method):
    """A method whose student learns from its teacher's depth; subclasses add the terms."""

    teacher_gives: tuple[str, ...] = ("maps",)
    config: Any
    teacher: Teacher

    def __init__(self, student: DepthNet, teacher: Teacher | None) -> None:
        """Join student and frozen teacher; ConfigError without one."""
        super().__init__()
        self.student = student
        self.teacher = require_teacher(teacher, type(self).__name__)

    def trainable(self, phase: str) -> Iterable[nn.Parameter]:
        """The student."""
        return self.student.parameters()

    def pictures(self, batch: Streams) -> dict[str, Float[Tensor, "3 h w"]]:
        """Input, student, teacher, difference."""
        frames = batch["main"]
        student = self.student.depth(self.run(self.student, frames.image).disp)
        return imitation_pictures(frames, student, self.look(frames)[0])

    def look(self, frames: FrameBatch) -> tuple[Float[Tensor, "b 1 h w"], Bool[Tensor, "b 1 h w"] | None]:
        """As `taught`; depth bins are moved to where the teacher's depths of the first batches lie."""
        depth, valid = self.taught(frames)
        widen_bins(self.student, depth, valid)
        return depth, valid

    def imitation(
        self,
        depths: Iterable[Float[Tensor, "b 1 h w"]],
        teacher: Float[Tensor, "b 1 h w"],
        valid: Bool[Tensor, "b 1 h w"] | None,
        weight: Float[Tensor, "b 1 h w"] | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """`imitation_terms` by its config, in its teacher's metres, true or nominal."""
        metres = self.teacher.metres_per_unit(teacher, valid)
        return imitation_terms(self.config, depths, teacher, valid, metres, weight)

    @property
    def unit(self) -> Unit:
        """The teacher's, unless the loss takes its scale out."""
        return "relative" if self.leaves_scale else self.teacher.unit

    @property
    def affine(self) -> bool:
        """Where the loss or the teacher leaves the shift open."""
        return self.leaves_shift or self.teacher.affine

    @property
    def leaves_scale(self) -> bool:
        """True for the losses that fit a factor per picture."""
        return getattr(self.config, "loss", "") in ("aligned_log_l1", "affine_invariant")

    @property
    def leaves_shift(self) -> bool:
        """True for the one loss that fits factor and shift per picture."""
        return getattr(self.config, "loss", "") == "affine_invariant"


@dataclass(kw_only=True)
class ImitationConfig:
    """A distance between depth maps; a term of weight 0 is left out."""

    # three_term is that of Hu et al. 2019; log_l1 is plain imitation, aligned_log_l1 without its metres;
    # affine_invariant suits teachers that know disparity only up to scale and shift.
    loss: Literal[
        "log_l1", "aligned_log_l1", "three_term", "structural", "scale_invariant", "affine_invariant"
    ] = "log_l1"
    trim: float = 0.0  # share of each picture's pixels, the farthest from the teacher, that log_l1 leaves out
    gradient_weight: float = 0.0  # of multi-scale gradient matching beside it

    def __post_init__(self) -> None:
        """Refuse what no distance can be made of."""
        if self.gradient_weight < 0:
            raise ValueError("gradient_weight must be >= 0")
        if not 0 <= self.trim < 1 or (self.trim and self.loss != "log_l1"):
            raise ValueError(
                f"trim: from 0 to below 1, with loss log_l1 alone; found {self.trim}, {self.loss}"
            )
        if self.gradient_weight and self.loss == "affine_invariant":
            raise ValueError(
                "gradient_weight compares log depth, which a shift of disparity changes: set it to 0"
            )


def imitation_terms(
    config: ImitationConfig,
    depths: Iterable[Float[Tensor, "b 1 h w"]],
    teacher: Float[Tensor, "b 1 h w"],
    valid: Bool[Tensor, "b 1 h w"] | None,
    metres: float,
    weight: Float[Tensor, "b 1 h w"] | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """Distances of a student's depths (one per scale, of the teacher's size) to the teacher's.

    Args:
        config: which distance.
        depths: the student's.
        teacher: depth, without gradient.
        valid: pixels that count; None = all.
        metres: of one unit of these depths, true or nominal: `three_term` has a constant in metres.
        weight: how sure the teacher is, for log_l1 and gradients alone; None = everywhere alike.
    """
    depths = list(depths)
    plain = partial(log_l1, weight=weight, trim=config.trim)
    distance = plain if config.loss == "log_l1" else LOSSES[config.loss]
    terms = {"imitation": mean_of(distance(depth * metres, teacher * metres, valid) for depth in depths)}
    if config.gradient_weight:
        matched = mean_of(gradient_matching(depth, teacher, valid, weight=weight) for depth in depths)
        terms["gradient"] = config.gradient_weight * matched
    return terms
