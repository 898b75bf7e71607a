"""Which of two depth maps the neighbouring frames speak for, pixel by pixel.

Source: a hint counts only where it reprojects better, Watson et al. 2019, arXiv:1909.09051 (Depth Hints); a
choice per pixel when distilling, Choi et al. 2022, arXiv:2205.08668 (Selective Distillation, which learns
it). The rule of both directions, its guards against movers and that it decides rather than weighs are ours.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.geometry.precision import full_precision


@dataclass(kw_only=True)
class ArbiterConfig:
    """When a teacher's pixel is not believed: only where the student explains all neighbours better."""

    margin: float = 0.01  # of the photometric error, 0..1, by which the student must be better
    share: float = 0.1  # and of the teacher's error
    window: int = 7  # pixels of the square over which errors are averaged
    difference: float = 0.1  # most |a - b| / (a + b) between the student's depths of target and source
    after_steps: int = 200  # before, a student knows too little to contradict

    def __post_init__(self) -> None:
        """Refuse what no rule can be made of."""
        if self.window < 1 or self.window % 2 == 0:
            raise ValueError(f"window: odd and at least 1, found {self.window}")
        if min(self.margin, self.share, self.difference) < 0 or self.after_steps < 0:
            raise ValueError("margin, share, difference and after_steps must be >= 0")


class Judgement(NamedTuple):
    """What an arbiter says of a teacher's pixels."""

    doubt: Float[Tensor, "b 1 h w"]  # by how much the student's error is less in every direction; can be < 0
    rejected: Bool[Tensor, "b 1 h w"]  # True = do not learn this pixel from the teacher


@full_precision
def judge(
    config: ArbiterConfig,
    earlier: Bool[Tensor, " s"],
    student: Float[Tensor, "b s h w"],
    teacher: Float[Tensor, "b s h w"],
    unmoved: Float[Tensor, "b s h w"],
    seen: Bool[Tensor, "b s h w"],
    difference: Float[Tensor, "b s h w"],
) -> Judgement:
    """Reject a teacher's pixel where the student's depth is better in every source that sees it.

    A pixel that is not seen both earlier and later is believed: what one side says may be a mover or an
    occlusion. So is one that hardly changes between frames (it is far, or moves along with the camera), and
    one where the student's own depths disagree from frame to frame. On what moves by itself a wrong depth can
    explain the pictures best: the guards catch some of it, not all.

    Args:
        config: margins.
        earlier: which sources came before the target.
        student: reprojection error by the student's depth, per source.
        teacher: the same by the teacher's, at the same motion and scale.
        unmoved: error of the sources as they are.
        seen: where both depths land within the source.
        difference: geometric inconsistency of the student's depth, per source (`geometry_consistency`).
    """
    student, teacher, unmoved = (
        _smoothed(errors, seen, config.window) for errors in (student, teacher, unmoved)
    )
    gain = torch.where(seen, teacher - student, torch.inf).amin(1, keepdim=True)
    better = teacher - student > (config.share * teacher).clamp(min=config.margin)
    agrees = difference < config.difference
    change = torch.where(seen, unmoved - student, torch.inf).amin(1, keepdim=True)
    judged = seen[:, earlier].any(1, keepdim=True) & seen[:, ~earlier].any(1, keepdim=True)
    rejected = judged & (~seen | (better & agrees)).all(1, keepdim=True) & (change > config.margin)
    return Judgement(torch.where(judged, gain, 0.0), rejected)


def _smoothed(
    errors: Float[Tensor, "b s h w"], seen: Bool[Tensor, "b s h w"], window: int
) -> Float[Tensor, "b s h w"]:
    """Mean over the seen pixels of a square around each pixel."""
    weight = seen.to(errors.dtype)
    total = F.avg_pool2d(errors * weight, window, 1, window // 2)
    return total / F.avg_pool2d(weight, window, 1, window // 2).clamp(min=1e-6)
