"""What a video itself teaches: neighbours warped through depth and motion must look like the target.

Shared by every method that learns from unlabelled frames. Source: Godard et al. 2019, arXiv:1806.01260
(minimum reprojection, auto-masking, full-resolution multi-scale, smoothness); Bian et al. 2019,
arXiv:1908.10553 (geometry consistency, self-discovered mask); Wang et al. 2018, arXiv:1712.00175 (alignment).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lumde.geometry.alignment import Search, find_motion, motion_distance, refine_motion
from lumde.geometry.pose import transform_from_motion, with_length_of
from lumde.geometry.warp import Warped, sample, warp
from lumde.losses.masked import masked_mean, mean_seen, surrounded, unmasked
from lumde.losses.photometric import (
    MinimumReprojection,
    geometry_consistency,
    minimum_reprojection,
    reprojection_error,
)
from lumde.losses.smoothness import edge_aware_smoothness
from lumde.methods.motions import POSES, AlignedPose, RecordedPose
from lumde.methods.video_config import FREE_DRIFT, VideoConfig
from lumde.models import build_pose_net, resize_disparity
from lumde.nets.base import DepthNet, PoseNet
from lumde.registry import build
from lumde.structures import DepthOutput, FrameBatch, Unit

TIE_BREAK = 1e-5  # size of the noise that breaks ties between unwarped sources (arXiv:1806.01260, code)
OUT_OF_VIEW = 1e3  # error of a pixel that a source does not see: never the minimum, finite


@dataclass
class VideoResult:
    """One look at a batch: weighted terms, monitors, and what can be shown."""

    terms: dict[str, Float[Tensor, ""]]
    monitors: dict[str, Tensor]
    warped: Float[Tensor, "b s 3 h w"]
    identity_wins: Bool[Tensor, "b 1 h w"]

    def pictures(self) -> dict[str, Float[Tensor, "3 h w"]]:
        """First warped source and auto-mask (white = used) of the first sample."""
        used = (~self.identity_wins[0]).float().expand(3, -1, -1)
        return {"warped": self.warped[0, 0], "automask": used}


class VideoTerms(nn.Module):
    """Pose network and photometric terms on the student's side."""

    first_scale: Tensor  # whether training has begun (0 or 1), and mean log depth when it did
    stereo: bool = False  # set by the recipe: a partner with a known baseline is among the sources

    def __init__(self, config: VideoConfig) -> None:
        """Build the pose network that the config names."""
        super().__init__()
        self.config = config
        if config.scale_weight:
            self.register_buffer("first_scale", torch.zeros(2))
        pose = config.pose
        self.pose: nn.Module = (
            build_pose_net(pose) if isinstance(pose, PoseNet.Config) else build(POSES, pose)
        )

    @property
    def recorded(self) -> bool:
        """True when motion comes from the recording."""
        return isinstance(self.pose, RecordedPose)

    @property
    def pose_net(self) -> PoseNet | None:
        """The pose network, where motion is learned."""
        return self.pose if isinstance(self.pose, PoseNet) else None

    @property
    def unit(self) -> Unit:
        """Metres where the recording tells a length: poses, or the baseline of a stereo partner."""
        return "metres" if self.recorded or self.stereo else "relative"

    @property
    def needs(self) -> tuple[str, ...]:
        """Fields the stream must provide."""
        return ("sources", "pose") if self.recorded else ("sources",)

    def motions(self, batch: FrameBatch, run: Callable[..., Any]) -> Float[Tensor, "b s 4 4"]:
        """Transform source_from_target of every source: recorded, or by the pose network.

        Pairs are fed in temporal order; the motion of an earlier source is inverted.
        """
        assert batch.sources is not None and batch.sources_jittered is not None
        if self.recorded:
            assert batch.source_from_target is not None
            return batch.source_from_target
        moving = batch.moving
        motions = [torch.empty(0)] * len(batch.offsets)
        if batch.source_from_target is not None:
            motions = list(batch.source_from_target.unbind(1))
        if not moving or isinstance(self.pose, AlignedPose):
            still = torch.eye(4, device=batch.image.device).expand(len(batch.image), 4, 4)
            return torch.stack([still if i in moving else motion for i, motion in enumerate(motions)], 1)
        first, second = [], []
        for i in moving:
            pair = (batch.jittered, batch.sources_jittered[:, i])
            earlier = batch.offsets[i] < 0  # type: ignore[operator]
            first.append(pair[1] if earlier else pair[0])
            second.append(pair[0] if earlier else pair[1])
        axis_angle, translation = run(self.pose, torch.cat(first), torch.cat(second))
        for i, r, t in zip(
            moving, axis_angle.chunk(len(moving)), translation.chunk(len(moving)), strict=True
        ):
            motions[i] = transform_from_motion(r, t, invert=batch.offsets[i] < 0)  # type: ignore[operator]
        return torch.stack(motions, 1)

    def forward(
        self, net: DepthNet, output: DepthOutput, batch: FrameBatch, run: Callable[..., Any]
    ) -> VideoResult:
        """Compare the target with its warped sources at every scale of `output`."""
        assert batch.sources is not None
        motions = self.motions(batch, run)
        size = (batch.image.shape[-2], batch.image.shape[-1])
        terms = {}
        if batch.moving and (isinstance(self.pose, AlignedPose) or self._steps):
            depth = net.depth(resize_disparity(output.disp, size)).detach()
            motions, distance = self._aligned(depth, batch, motions)
            if self.pose_net is not None:
                terms["pose"] = self.config.align_weight * distance
        identity = self._identity(batch) if self.config.automask else None
        clear = _clear_of_masks(batch)
        photometric, smoothness, geometry = [], [], []
        for scale, disp in enumerate(output.disps):
            full = resize_disparity(disp, size)
            warped = self._warp(net.depth(full), batch, motions)
            consistency, unmasked_there = None, self._unmasked(warped, clear)
            if self.config.geometry_weight and scale == 0:
                difference = self._depth_difference(net, warped, batch, run)
                seen = warped.inside.view_as(difference) & unmasked_there
                seen = seen if batch.mask is None else seen & batch.mask
                geometry.append(masked_mean(difference, seen))
                consistency = 1 - difference.detach()
            result = self._compared(warped, identity, consistency, unmasked_there, clear)
            photometric.append(result.loss)
            smoothness.append(_smoothness(disp, batch) / 2**scale)
            if scale == 0:
                first, wins = warped, result.identity_wins
        terms["photometric"] = torch.stack(photometric).mean()
        if self.config.smoothness_weight:
            terms["smoothness"] = self.config.smoothness_weight * torch.stack(smoothness).mean()
        if geometry:
            terms["geometry"] = self.config.geometry_weight * torch.stack(geometry).mean()
        terms |= self._scale_term(net.depth(output.disp))
        b, s = batch.sources.shape[:2]
        return VideoResult(
            terms,
            _monitors(output, motions, first, wins),
            first.image.view(b, s, *first.image.shape[1:]),
            wins,
        )

    def _scale_term(self, depth: Float[Tensor, "b 1 h w"]) -> dict[str, Float[Tensor, ""]]:
        """How far mean log depth has gone beyond what is free."""
        if not self.config.scale_weight:
            return {}
        scale = depth.log().mean()
        if self.training and not self.first_scale[0]:
            self.first_scale.copy_(torch.stack([torch.ones_like(scale), scale]).detach())
        begun, first = self.first_scale
        return {"scale": self.config.scale_weight * begun * ((scale - first).abs() - FREE_DRIFT).clamp(min=0)}

    @property
    def _steps(self) -> int:
        """Steps of direct alignment from the motion that is known."""
        if isinstance(self.pose, RecordedPose):
            return self.pose.config.refine_steps
        return self.config.align_steps

    def _aligned(
        self, depth: Float[Tensor, "b 1 h w"], batch: FrameBatch, motions: Float[Tensor, "b s 4 4"]
    ) -> tuple[Float[Tensor, "b s 4 4"], Float[Tensor, ""]]:
        """Motions that direct alignment makes of the network's, and how far the network's are from them."""
        assert batch.sources is not None
        moving = batch.moving
        guess = motions[:, moving].flatten(0, 1)
        image, depth, intrinsics = (
            values.repeat_interleave(len(moving), 0) for values in (batch.image, depth, batch.intrinsics)
        )
        valid = None if batch.mask is None else batch.mask.repeat_interleave(len(moving), 0)
        sources = batch.sources[:, moving].flatten(0, 1)
        if isinstance(self.pose, AlignedPose):
            aligned = find_motion(image, sources, depth, intrinsics, valid)
        else:
            search = Search(self._steps)
            aligned = refine_motion(image, sources, depth, guess.detach(), intrinsics, search, valid)
        if self.recorded:
            aligned = with_length_of(guess, aligned)
        distance = motion_distance(guess, aligned, depth, intrinsics, valid=valid)
        answer = motions.detach().clone()
        answer[:, moving] = aligned.unflatten(0, (-1, len(moving)))
        return answer, distance

    def _identity(self, batch: FrameBatch) -> Float[Tensor, "b s h w"]:
        assert batch.sources is not None
        b, s = batch.sources.shape[:2]
        error = reprojection_error(batch.sources.flatten(0, 1), batch.image.repeat_interleave(s, 0))
        return error.view(b, s, *error.shape[-2:])

    def _noise(self, identity: Tensor | None) -> Tensor | None:
        if identity is None or not self.training:
            return None
        return TIE_BREAK * torch.randn_like(identity)

    def _warp(
        self, depth: Float[Tensor, "b 1 h w"], batch: FrameBatch, motions: Float[Tensor, "b s 4 4"]
    ) -> Warped:
        assert batch.sources is not None
        s = motions.shape[1]
        return warp(
            batch.sources.flatten(0, 1),
            depth.repeat_interleave(s, 0),
            motions.flatten(0, 1),
            batch.intrinsics.repeat_interleave(s, 0),
        )

    def _compared(
        self,
        warped: Warped,
        identity: Float[Tensor, "b s h w"] | None,
        weights: Float[Tensor, "b s h w"] | None,
        seen: Bool[Tensor, "b s h w"],
        clear: FrameBatch,
    ) -> MinimumReprojection:
        """The photometric term: the best source of each pixel, or the mean of those that see it."""
        b, s, h, w = seen.shape
        errors = reprojection_error(warped.image, clear.image.repeat_interleave(s, 0)).view(b, s, h, w)
        if self.config.out_of_view == "mask":
            seen = seen & warped.inside.view(b, s, h, w)
        anywhere = seen.any(1, keepdim=True)
        valid = anywhere if clear.mask is None else clear.mask & anywhere
        learned = None if weights is None else errors * weights
        if self.config.minimum:
            errors = torch.where(seen, errors, OUT_OF_VIEW)
        else:
            errors = mean_seen(errors, seen)
            learned = None if learned is None else mean_seen(learned, seen)
            identity = None if identity is None else mean_seen(identity, seen)
        return minimum_reprojection(errors, identity, valid, self._noise(identity), learned)

    def _unmasked(self, warped: Warped, clear: FrameBatch) -> Bool[Tensor, "b s h w"]:
        """Where what a target pixel is compared with is no masked part of the source."""
        assert clear.sources is not None
        b, s, _, h, w = clear.sources.shape
        if clear.source_masks is None:
            return torch.ones(b, s, h, w, dtype=torch.bool, device=clear.image.device)
        return unmasked(clear.source_masks.flatten(0, 1)[:, None], warped.grid).view(b, s, h, w)

    def _depth_difference(
        self, net: DepthNet, warped: Warped, batch: FrameBatch, run: Callable[..., Any]
    ) -> Float[Tensor, "b s h w"]:
        """SC-Depth's D_diff between the moved target depth and the source's own depth, sampled there."""
        assert batch.sources_jittered is not None
        b, s = batch.sources_jittered.shape[:2]
        output = run(net, batch.sources_jittered.flatten(0, 1))
        own = sample(net.depth(output.disp), warped.grid)
        difference = geometry_consistency(warped.source_depth, own)
        return difference.view(b, s, *difference.shape[-2:])


def _smoothness(disp: Tensor, batch: FrameBatch) -> Tensor:
    """Smoothness at the disparity's own scale; a coarse pixel counts if all it covers does."""
    size = disp.shape[-2:]
    if size == batch.image.shape[-2:]:
        return edge_aware_smoothness(disp, batch.image, batch.mask)
    image = F.interpolate(batch.image, size, mode="area")
    valid = None if batch.mask is None else F.interpolate(batch.mask.float(), size, mode="area") == 1
    return edge_aware_smoothness(disp, image, valid)


def _clear_of_masks(batch: FrameBatch) -> FrameBatch:
    """The batch with masks that keep one pixel clear of what they hide: SSIM looks at 3x3."""
    mask, sources = (
        None if masks is None else surrounded(masks) for masks in (batch.mask, batch.source_masks)
    )
    return replace(batch, mask=mask, source_masks=sources)


@torch.no_grad()
def _monitors(output: DepthOutput, motions: Tensor, warped: Warped, wins: Tensor) -> dict[str, Tensor]:
    """Signs of collapse: constant disparity, no motion, everything masked, broken grids."""
    return {
        "disp_std": output.disp.flatten(1).std(1).mean(),
        "translation": motions[..., :3, 3].norm(dim=-1).mean(),
        "automask": wins.float().mean(),
        "bad_grid": warped.bad.float(),
    }
