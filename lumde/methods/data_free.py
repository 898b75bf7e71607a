"""Distillation without any real picture: simulated ones, mixed and repainted to suit the teacher's memory.

Source: Hu et al. 2023, arXiv:2208.12464: simulated pictures of other scenes, object-wise mixing, and a
network that repaints them until the teacher's BatchNorm statistics fit are the paper's ideas. How objects are
pasted, all weights, and the alternation are ours: the paper's formulas were not at hand.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lumde.losses.statistics import seen_by, statistics_gap
from lumde.methods.base import Streams, imitation_pictures
from lumde.methods.imitation import ImitationConfig, Imitator
from lumde.nets.base import DepthNet
from lumde.nets.bins import widen_bins
from lumde.nets.image_transform import ImageTransform
from lumde.registry import Named
from lumde.structures import FrameBatch
from lumde.teachers.base import Teacher


class DataFree(Imitator):
    """Imitate the teacher on simulated pictures, mixed by objects and repainted to suit its statistics."""

    phases = ("student", "generator")
    needs = ("object_ids", "depth")  # which no recording has: nothing real can come in
    source = "Dense Depth Distillation with OOD Simulated Images, arXiv:2208.12464; formulas are ours"

    @dataclass(kw_only=True)
    class Config(Named, ImitationConfig):
        """Which pictures, and what repaints them."""

        pictures: Literal["worlds", "noise"] = "worlds"  # noise: a reference row without any content
        mix_share: float = 0.5  # of a second picture's objects pasted into the first; 0 = no mixing
        transform: bool = True  # repaint
        painter_every_steps: int = 1  # the painter learns in every n-th step; it costs more than the student
        statistics_weight: float = 1.0
        identity_weight: float = 10.0  # of the mean squared change of a picture: it stays what it shows

        def __post_init__(self) -> None:
            super().__post_init__()
            if not 0 <= self.mix_share <= 1 or min(self.statistics_weight, self.identity_weight) < 0:
                raise ValueError("mix_share within 0..1 and weights >= 0 needed")
            if self.painter_every_steps < 1:
                raise ValueError(f"painter_every_steps: at least 1, found {self.painter_every_steps}")

    def __init__(self, config: Config, student: DepthNet, teacher: Teacher | None = None) -> None:
        """Join student, frozen teacher and the network that repaints."""
        super().__init__(student, teacher)
        self.config = config
        self.transform = ImageTransform() if config.transform else None
        self.teacher_gives = ("depth", "statistics") if config.transform else ("depth",)
        self._mixed: tuple[FrameBatch, tuple[Tensor, Tensor]] | None = None  # of the last batch

    def trainable(self, phase: str) -> Iterable[nn.Parameter]:
        """The student, or the network that repaints."""
        if phase == "student":
            return self.student.parameters()
        return self.transform.parameters() if self.transform else ()

    def terms(self, batch: Streams, phase: str, step: int) -> dict[str, Float[Tensor, ""]]:
        """Imitation on repainted pictures; then, for the painter, the gap in statistics and its changes."""
        frames = batch["main"]
        seen, shown = self._pictures(frames)
        if phase == "generator":
            return {} if (step + 1) % self.config.painter_every_steps else self._painter_terms(seen)
        with torch.no_grad():
            clean = self._painted(seen)
            jittered = clean if shown is seen else self._painted(shown)
            teacher = self.run(self.teacher.depth, clean)
            widen_bins(self.student, teacher)
        output = self.run(self.student, jittered)
        depths = self.enlarged_depths(output, teacher)
        return self.imitation(depths, teacher, None)

    def _painter_terms(self, images: Float[Tensor, "b 3 h w"]) -> dict[str, Float[Tensor, ""]]:
        painted = self._painted(images)
        with seen_by(self.teacher.norm_layers()) as seen:
            self.run(self.teacher.depth, painted)
        gap = statistics_gap(seen)
        self.monitors["statistics_gap"] = gap.detach()
        return {
            "statistics": self.config.statistics_weight * gap,
            "identity": self.config.identity_weight * (painted - images).square().mean(),
        }

    def _painted(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        return images if self.transform is None else self.run(self.transform, images)

    def _pictures(self, frames: FrameBatch) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 3 h w"]]:
        """What is shown of a batch, clean and jittered; both phases of a step see the same."""
        if self._mixed is None or self._mixed[0] is not frames:
            self._mixed = (frames, self._make_pictures(frames))
        return self._mixed[1]

    def _make_pictures(self, frames: FrameBatch) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 3 h w"]]:
        if self.config.pictures == "noise":
            noise = torch.rand_like(frames.image)
            return noise, noise
        return (
            mixed(frames, self.config.mix_share) if self.config.mix_share else (frames.image, frames.jittered)
        )

    def pictures(self, batch: Streams) -> dict[str, Float[Tensor, "3 h w"]]:
        """What the student sees of the first sample beside the usual four."""
        frames = batch["main"]
        seen = self._painted(self._make_pictures(frames)[0])
        student = self.student.depth(self.run(self.student, seen).disp)
        shown = imitation_pictures(frames, student, self.teacher.depth(seen))
        return {**shown, "seen": seen[0]}


def mixed(frames: FrameBatch, share: float) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 3 h w"]]:
    """Paste objects of each picture's successor in the batch where they are nearer than what is there.

    Args:
        frames: with depth (0 = sky, behind everything) and object ids.
        share: of the successor's objects, drawn by torch's generator.

    Returns:
        Clean and jittered pictures, with the same objects.
    """
    assert frames.depth is not None and frames.object_ids is not None
    behind = frames.depth.new_tensor(torch.inf)
    depth = torch.where(frames.depth > 0, frames.depth, behind)
    near, ids = depth.roll(-1, dims=0), frames.object_ids.roll(-1, dims=0)
    _, place = ids.unique(return_inverse=True)
    count = int(place.max()) + 1
    chosen = torch.rand(len(ids), count, device=ids.device) < share
    pasted = chosen.gather(1, place.flatten(1)).view_as(ids) & (near < depth)
    clean = torch.where(pasted, frames.image.roll(-1, dims=0), frames.image)
    if frames.jittered is frames.image:
        return clean, clean
    return clean, torch.where(pasted, frames.jittered.roll(-1, dims=0), frames.jittered)
