"""The photometric arbiter: a student's video decides which of its teacher's pixels to believe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lumde.geometry.alignment import find_motion
from lumde.geometry.warp import Warped, sample, warp
from lumde.losses.arbiter import ArbiterConfig, Judgement, judge
from lumde.losses.masked import surrounded, unmasked
from lumde.losses.photometric import geometry_consistency, reprojection_error
from lumde.models import resize_disparity
from lumde.nets.base import DepthNet
from lumde.structures import FrameBatch


class Arbiter:
    """Compares what student and teacher make of the neighbouring frames; no gradient, nothing to learn."""

    def __init__(self, config: ArbiterConfig, net: DepthNet, run: Callable[..., Any]) -> None:
        """Nothing has been judged yet.

        Args:
            config: margins.
            net: the student, asked for the depth of targets and sources.
            run: runs a network in the precision of the training.
        """
        self.config, self.net, self.run = config, net, run
        self.last: Judgement | None = None

    def speaks_at(self, step: int) -> bool:
        """Whether a student has learned enough by now to contradict."""
        return step >= self.config.after_steps

    def believed(
        self,
        frames: FrameBatch,
        teacher: Float[Tensor, "b 1 h w"],
        valid: Bool[Tensor, "b 1 h w"] | None,
    ) -> Bool[Tensor, "b 1 h w"]:
        """The valid pixels without those that the neighbours speak against.

        Args:
            frames: with sources of the same camera.
            teacher: depth of the target by the teacher, in any unit.
            valid: pixels that count; None = all.
        """
        self.last = self.judge(frames, teacher, valid)
        return ~self.last.rejected if valid is None else valid & ~self.last.rejected

    @torch.no_grad()
    def judge(
        self,
        frames: FrameBatch,
        teacher: Float[Tensor, "b 1 h w"],
        valid: Bool[Tensor, "b 1 h w"] | None,
    ) -> Judgement:
        """Judge every pixel. Both depths share one motion: the one that suits their geometric mean."""
        moving = frames.moving
        assert frames.sources is not None and frames.sources_jittered is not None
        count = len(moving)
        sources = frames.sources[:, moving].flatten(0, 1)
        asked = torch.cat([frames.jittered, frames.sources_jittered[:, moving].flatten(0, 1)])
        student, own = self._depth(asked).split((len(frames.image), len(sources)))
        teacher = _in_scale_of(student, teacher, valid)
        image, intrinsics, ours, theirs = (
            values.repeat_interleave(count, 0)
            for values in (frames.image, frames.intrinsics, student, teacher)
        )
        mask = None if valid is None else valid.repeat_interleave(count, 0)
        motion = find_motion(image, sources, (ours * theirs).sqrt(), intrinsics, mask)
        by_ours, by_theirs = (warp(sources, depth, motion, intrinsics) for depth in (ours, theirs))
        difference = geometry_consistency(by_ours.source_depth, sample(own, by_ours.grid))
        seen = by_ours.inside & by_theirs.inside
        if frames.source_masks is not None:
            clear = surrounded(frames.source_masks[:, moving]).flatten(0, 1)[:, None]
            seen = seen & unmasked(clear, by_ours.grid) & unmasked(clear, by_theirs.grid)
        maps = (
            _error(by_ours, image),
            _error(by_theirs, image),
            reprojection_error(sources, image),
            seen if mask is None else seen & mask,
            difference,
        )
        earlier = torch.tensor([int(frames.offsets[i]) < 0 for i in moving], device=image.device)
        return judge(self.config, earlier, *(values.view(-1, count, *values.shape[-2:]) for values in maps))

    def _depth(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 h w"]:
        """The student's depth at the images' size, the same way for target and sources.

        In evaluation mode: to be asked teaches its statistics nothing, and pictures are answered one by one.
        """
        size = (images.shape[-2], images.shape[-1])
        with _evaluating(self.net):
            disp = self.run(self.net, images).disp
        return self.net.depth(resize_disparity(disp, size))

    def pictures(self) -> dict[str, Float[Tensor, "3 h w"]]:
        """Where the first sample's teacher was believed (white) when it was last judged."""
        if self.last is None:
            return {}
        return {"believed": (~self.last.rejected[0]).float().expand(3, -1, -1)}

    def monitors(self) -> dict[str, Tensor]:
        """Share of pixels that were rejected."""
        return {} if self.last is None else {"rejected": self.last.rejected.float().mean()}


@contextmanager
def _evaluating(net: nn.Module) -> Iterator[None]:
    """The network in evaluation mode; every part of it is as before afterwards."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _in_scale_of(
    student: Float[Tensor, "b 1 h w"], teacher: Float[Tensor, "b 1 h w"], valid: Tensor | None
) -> Float[Tensor, "b 1 h w"]:
    """The teacher's depth times one factor per image, the median ratio."""
    ratio = student / teacher
    known = ratio if valid is None else torch.where(valid, ratio, torch.nan)
    return teacher * known.flatten(1).nanmedian(1).values.nan_to_num(1.0)[:, None, None, None]


def _error(warped: Warped, image: Tensor) -> Float[Tensor, "n 1 h w"]:
    return reprojection_error(warped.image, image)
