"""Depth that was measured or rendered: the oracle row of every comparison, and pre-training."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lumde.losses.pixelwise import aligned_log_l1, gradient_matching, log_l1
from lumde.methods.base import Method, Streams, disparity_picture, mean_of
from lumde.nets.base import DepthNet
from lumde.nets.bins import widen_bins
from lumde.registry import Named
from lumde.structures import FrameBatch, Unit
from lumde.teachers.base import Teacher


class Supervised(Method):
    """Learn from exact, RGB-D or sparse LiDAR depth."""

    needs = ("depth",)
    source = "L1 of log depth + gradient matching, after MegaDepth, arXiv:1804.00607; weights are ours"

    @dataclass(kw_only=True)
    class Config(Named):
        """Weights of the terms; a term of weight 0 is left out."""

        log_weight: float = 1.0
        # How far all is can often not be told from one picture, while how it is shaped can: with a large
        # weight here and a small one above the network learns shape first. Ours.
        aligned_weight: float = 0.0
        gradient_weight: float = 0.5  # ours
        # > 0: learn the depth at which a camera of this focal length (pixels of the network's input) would
        # show the same picture, depth * focal / fx: one picture then has one answer whatever the lens. Such
        # depth is relative. Source: canonical camera space, Yin et al. 2023, arXiv:2307.10984.
        focal: float = 0.0

        def __post_init__(self) -> None:
            """Refuse weights that leave nothing to learn from."""
            weights = (self.log_weight, self.aligned_weight, self.gradient_weight)
            if min(weights) < 0 or not any(weights):
                raise ValueError(f"weights must be >= 0 and not all 0, found {weights}")

    def __init__(self, config: Config, student: DepthNet, teacher: Teacher | None = None) -> None:
        """Keep the student; the truth is the teacher here."""
        super().__init__()
        self.config, self.student = config, student

    def trainable(self, phase: str) -> Iterable[nn.Parameter]:
        """The student."""
        return self.student.parameters()

    def terms(self, batch: Streams, phase: str, step: int) -> dict[str, Float[Tensor, ""]]:
        """Log-depth L1 and gradient matching where the truth is in the network's range."""
        frames = batch["main"]
        limits, truth = self.student.config, self._truth(frames)
        valid = (truth >= limits.min_depth) & (truth <= limits.max_depth)
        if frames.mask is not None:
            valid = valid & frames.mask
        widen_bins(self.student, truth, valid)
        output = self.run(self.student, frames.jittered)
        depths = self.enlarged_depths(output, truth)
        parts = (
            ("log_l1", log_l1, self.config.log_weight),
            ("aligned", aligned_log_l1, self.config.aligned_weight),
            ("gradient", gradient_matching, self.config.gradient_weight),
        )
        terms = {
            name: weight * mean_of(loss(depth, truth, valid) for depth in depths)
            for name, loss, weight in parts
            if weight
        }
        self.monitors = {
            "valid": valid.float().mean(),
            "disp_std": output.disp.detach().flatten(1).std(1).mean(),
        }
        return terms

    def _truth(self, frames: FrameBatch) -> Float[Tensor, "b 1 h w"]:
        assert frames.depth is not None
        if not self.config.focal:
            return frames.depth
        canonical = frames.depth * (self.config.focal / frames.intrinsics[:, 0, 0])[:, None, None, None]
        return canonical.clamp(max=self.student.config.max_depth)

    def pictures(self, batch: Streams) -> dict[str, Float[Tensor, "3 h w"]]:
        """Input, depth, truth."""
        frames = batch["main"]
        assert frames.depth is not None
        output = self.run(self.student, frames.image)
        truth = torch.where(frames.depth > 0, 1 / frames.depth.clamp(min=1e-3), 0.0)
        return {
            "input": frames.image[0],
            "depth": disparity_picture(output.disp[0, 0]),
            "truth": disparity_picture(truth[0, 0]),
        }

    @property
    def unit(self) -> Unit:
        """Measured depth is in metres, unless the lens is taken out of it, or no term knows its scale."""
        return "metres" if self.config.log_weight and not self.config.focal else "relative"
