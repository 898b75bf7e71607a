"""View synthesis: what the target camera would see, sampled from a source picture.

Nothing non-finite ever reaches the sampler: there it would end the whole process in the backward pass.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lumde.geometry.camera import backproject, project, transform
from lumde.geometry.precision import full_precision


class Warped(NamedTuple):
    """A source picture seen from the target camera."""

    image: Float[Tensor, "b c h w"]  # outside the source picture: its nearest border pixel
    inside: Bool[
        Tensor, "b 1 h w"
    ]  # True where the point is finite, in front of the source and in its picture
    grid: Float[
        Tensor, "b h w 2"
    ]  # sampling positions x, y; -1 and 1 are the centres of the outermost pixels
    source_depth: Float[Tensor, "b 1 h w"]  # metres, of the target's points in the source frame; 1 where bad
    bad: Int[Tensor, ""]  # number of pixels whose depth, pose or position was not finite


@full_precision
def warp(
    source: Float[Tensor, "b c h w"],
    depth: Float[Tensor, "b 1 h w"],
    source_from_target: Float[Tensor, "b 4 4"],
    intrinsics: Float[Tensor, "b 3 3"],
    source_intrinsics: Float[Tensor, "b 3 3"] | None = None,
) -> Warped:
    """Sample a source picture where the target's pixels lie in it.

    Args:
        source: picture to sample; further channels (the source's own depth, say) ride along.
        depth: of the target, metres. Non-finite entries are masked, counted and get no gradient.
        source_from_target: takes target points to the source frame. A sample whose transform has a non-finite
            entry is masked and counted whole.
        intrinsics: of the target, pixels.
        source_intrinsics: of the source, pixels; None = those of the target.

    Source: Godard et al. 2019, arXiv:1806.01260, sec. 3 (border padding, corner-aligned); masking is ours.
    """
    usable = depth.isfinite()
    points = backproject(torch.where(usable, depth, 1.0), intrinsics)
    source_intrinsics = intrinsics if source_intrinsics is None else source_intrinsics
    usable_pose = source_from_target.isfinite().all(-1).all(-1)[:, None, None]
    usable = usable & usable_pose[..., None]
    source_from_target = torch.where(usable_pose, source_from_target, torch.eye(4).to(source_from_target))
    moved = transform(points, source_from_target)
    pixels = project(moved, source_intrinsics)
    finite = usable & moved.isfinite().all(1, keepdim=True) & pixels.isfinite().all(1, keepdim=True)
    pixels = torch.where(finite, pixels, 0.0)
    source_depth = torch.where(finite, moved[:, 2:], 1.0)
    last = pixels.new_tensor([max(source.shape[-1] - 1, 1), max(source.shape[-2] - 1, 1)])
    grid = 2 * pixels.permute(0, 2, 3, 1) / last - 1
    # The picture's area reaches half a pixel beyond its outermost centres; a strict bound at the centres
    # themselves would lose whole border rows to rounding.
    in_picture = ((pixels >= -0.5) & (pixels <= last[:, None, None] + 0.5)).all(1, keepdim=True)
    inside = finite & in_picture & (source_depth > 0)
    return Warped(sample(source, grid), inside, grid, source_depth, (~finite).sum())


@full_precision
def sample(source: Float[Tensor, "b c _ _"], grid: Float[Tensor, "b h w 2"]) -> Float[Tensor, "b c h w"]:
    """Sample a picture bilinearly at finite positions in [-1, 1]; outside it, its nearest border pixel."""
    return F.grid_sample(source, grid, mode="bilinear", padding_mode="border", align_corners=True)


def seen_after(
    grey: Float[Tensor, "b 1 _ _"], points: Float[Tensor, "b 3 h w"], intrinsics: Float[Tensor, "b 3 3"]
) -> Callable[[Float[Tensor, "b 4 4"]], tuple[Float[Tensor, "b 1 h w"], Bool[Tensor, "b 1 h w"]]]:
    """Answer a function of source_from_target: what is seen at given points, and which lie in the picture.

    `warp` for the many small steps of a search: nothing else is asked, and bad points are not told apart.
    Points of the target's camera space, finite; after a motion that is not, none lies in the picture.
    """
    last = grey.new_tensor([max(grey.shape[-1] - 1, 1), max(grey.shape[-2] - 1, 1)])
    reach = 1 + 1 / last  # half a pixel beyond the outermost centres, as in `warp`

    def look(source_from_target: Float[Tensor, "b 4 4"]) -> tuple[Tensor, Tensor]:
        moved = transform(points, source_from_target)
        grid = 2 * project(moved, intrinsics).permute(0, 2, 3, 1) / last - 1
        inside = (grid.abs() <= reach).all(-1)[:, None] & (moved[:, 2:] > 0)
        return sample(grey, grid.nan_to_num()), inside  # no comparison holds for a number that is none

    return look
