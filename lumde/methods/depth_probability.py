"""TIE-KD: the teacher's depth map alone, turned into a distribution over depth bins for every pixel.

Source: Choi et al. 2024, arXiv:2402.14340: bins, the target distribution, KL divergence and 1 - SSIM are the
paper's, as are the weights 1 and 9. Bins and spread in log depth, bins over the teacher's range, the
normalised target and maps brought to [0, 1] before SSIM are ours; `paper` turns all of them back.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.errors import ConfigError
from lumde.losses.imitation import structural
from lumde.losses.probability import Target, depth_distribution, distribution_distance
from lumde.methods.base import Streams, mean_of
from lumde.methods.imitation import Imitator
from lumde.nets.base import STRIDE, DepthNet
from lumde.nets.bins import FITTED, BinRange, BinsHead
from lumde.registry import Named
from lumde.structures import WHOLE, FrameBatch
from lumde.teachers.base import Teacher

PAPER_RANGE, PAPER_SIGMA = BinRange(1e-3, 80.0, even=True), 0.5  # metres; the sigma its program really uses


class _Reading(NamedTuple):
    """How depths become distributions."""

    sigma: float
    target: Target
    logarithmic: bool


class DepthProbability(Imitator):
    """Match the distribution over depth bins that the teacher's depth map stands for, and its structure."""

    source = "TIE-KD, arXiv:2402.14340; bins and spread in log depth are ours"
    multiple = STRIDE  # distributions are those of padded pictures

    @dataclass(kw_only=True)
    class Config(Named):
        """Weights and the target's shape."""

        distribution_weight: float = 1.0
        structure_weight: float = 9.0
        sigma_bins: float = 1.5  # spread of the target, in distances between bins
        paper: bool = False  # even bins (it has 257) of 1e-3 to 80 m, sigma .5 m, softmax, SSIM of metres

        def __post_init__(self) -> None:
            weights = (self.distribution_weight, self.structure_weight)
            if min(weights) < 0 or not any(weights) or self.sigma_bins <= 0:
                raise ValueError("weights must be >= 0 and not all 0, and sigma_bins > 0")

    def __init__(self, config: Config, student: DepthNet, teacher: Teacher | None = None) -> None:
        """Join a student that answers bins with a frozen teacher."""
        super().__init__(student, teacher)
        self.config = config
        if not isinstance(getattr(student, "bins", None), BinsHead):
            raise ConfigError(
                "student: depth_probability needs one that answers depth bins, e.g. "
                "{name: depth_light, scales: 1, bins: 64}"
            )
        if config.paper:
            self._take_paper_bins()

    @property
    def head(self) -> BinsHead:
        """The student's bins."""
        head = self.student.bins
        assert isinstance(head, BinsHead)
        return head

    def terms(self, batch: Streams, phase: str, step: int) -> dict[str, Float[Tensor, ""]]:
        """Divergence of the distributions, and 1 - SSIM of the depths."""
        frames = batch["main"]
        teacher, valid = self.look(frames)
        output = self.run(self.student, frames.jittered)
        terms = {}
        if self.config.distribution_weight:
            assert output.probabilities is not None
            small, use = _reduced(teacher, output.probabilities.shape[-2:], valid)
            target = depth_distribution(small, self.head.centres, *self._reading())
            distance = distribution_distance(output.probabilities, target, use)
            terms["distribution"] = self.config.distribution_weight * distance
        if self.config.structure_weight:
            normalise = not self.config.paper
            likeness = (
                structural(depth, teacher, valid, normalise)
                for depth in self.enlarged_depths(output, teacher)
            )
            terms["structure"] = self.config.structure_weight * mean_of(likeness)
        return terms

    def look(self, frames: FrameBatch) -> tuple[Float[Tensor, "b 1 h w"], Bool[Tensor, "b 1 h w"] | None]:
        """The teacher's depth as it is; in metres, true or nominal, for the paper's bins."""
        depth, valid = super().look(frames)
        return (depth * self.teacher.metres_per_unit(depth, valid) if self.config.paper else depth), valid

    def _take_paper_bins(self) -> None:
        """Bins as in the paper; ConfigError where the student cannot have them."""
        nearest, farthest = self.student.config.limits
        if nearest > PAPER_RANGE.nearest or farthest < PAPER_RANGE.farthest:
            raise ConfigError(
                f"method.paper: bins from {PAPER_RANGE.nearest} to {PAPER_RANGE.farthest} m, the student's "
                f"depth from {nearest} to {farthest}; set student.min_depth and student.max_depth"
            )
        self.head.move(PAPER_RANGE)
        self.head.batches.fill_(FITTED)

    def _reading(self) -> _Reading:
        if self.config.paper:
            return _Reading(PAPER_SIGMA, "softmax_of_density", logarithmic=False)
        spacing = float((self.head.centres[1] / self.head.centres[0]).log())
        return _Reading(self.config.sigma_bins * spacing, "density", logarithmic=True)


def _reduced(
    depth: Float[Tensor, "b 1 _ _"], size: tuple[int, int], mask: Tensor | None
) -> tuple[Float[Tensor, "b 1 h w"], Tensor | None]:
    """Depth at the centres of larger pixels, and which of those no masked pixel touches."""
    small = F.interpolate(depth, size, mode="nearest-exact")
    if mask is None:
        return small, None
    return small, F.adaptive_avg_pool2d(mask.float(), size) > WHOLE
