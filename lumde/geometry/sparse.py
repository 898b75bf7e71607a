"""Sparse depth from a few pictures whose cameras nobody knows the motion of: corners, followed and adjusted.

What a clip tells of depth without any network. Two-view and three-view geometry as in Hartley and Zisserman
2004; the order of the steps, the starts and all thresholds are ours.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.geometry.alignment import find_motion
from lumde.geometry.bundle import Structure, Tracks, bundle, log_depth_spread, misses
from lumde.geometry.camera import pixel_rays
from lumde.geometry.patches import find_corners
from lumde.geometry.precision import full_precision
from lumde.geometry.tracking import RADIUS, follow

CELLS = 200  # about so many corners are looked for, one per cell
SMALLEST_CELL = 8  # pixels
# Where the camera may have gone, x right, y down, z ahead: all are tried, for a search ends at the nearest
# valley, and relief turned inside out is one.
DIRECTIONS = (
    *((0, 0, 1), (0, 0, -1), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)),
    *((1, 0, 1), (-1, 0, 1), (1, 0, -1), (-1, 0, -1)),
)
FIRST_SHIFT = 2.0  # pixels by which the travel moves all points at a start
LEAST_POINTS = 12
MOST_MISS = 0.5  # pixels between where a point falls and where it was found
MOST_SPREAD = 0.15  # of a point's log depth
LEAST_NOISE = 0.15  # pixels, of a corner's place
RIVAL = 1.25  # an answer that costs so many times the best one is none
LIKE = 0.2  # median difference of log depth, up to a factor, between answers that are the same


class SparsePoints(NamedTuple):
    """Points whose depth a few pictures tell; the unit of length is the mean travel of the sources."""

    pixels: Float[Tensor, "n 2"]  # (x, y) in the target
    inverse_depth: Float[Tensor, " n"]
    spread: Float[Tensor, " n"]  # standard deviation of log depth, up to a factor that all share
    source_from_target: Float[Tensor, "s 4 4"]

    def in_source(
        self, index: int, intrinsics: Float[Tensor, "3 3"]
    ) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"]]:
        """Pixels of a source that show the points, and their inverse depths there."""
        motion = self.source_from_target[index]
        moved = (
            pixel_rays(self.pixels, intrinsics) @ motion[:3, :3].T
            + self.inverse_depth[:, None] * motion[:3, 3]
        )
        share = moved[:, 2].clamp(min=1e-3)  # of the target's depth
        return (moved / share[:, None] @ intrinsics.T)[:, :2], self.inverse_depth / share


@torch.no_grad()
@full_precision
def find_points(
    target: Float[Tensor, "3 h w"],
    sources: Float[Tensor, "s 3 h w"],
    intrinsics: Float[Tensor, "3 3"],
    offsets: tuple[int, ...],
    valid: Bool[Tensor, "1 h w"] | None = None,
) -> SparsePoints | None:
    """Points whose depth is known well, and the motion of the camera.

    Args:
        target: picture, 0..1.
        sources: pictures before and after it.
        intrinsics: of all, pixels, without skew.
        offsets: where the sources stand in time; the camera is first thought to go on steadily.
        valid: target pixels that may be used; None = all.

    Returns:
        None where too few corners can be followed into every source, their depth stays in doubt (the camera
        hardly travels), or other depths explain them about as well.
    """
    turning = _turning(target, sources, intrinsics, valid)
    corners = _corners(target, valid)
    tracks, shown = _tracks(target, sources, intrinsics, corners, turning)
    if int(tracks.found.sum(1).amin()) < LEAST_POINTS:  # else nothing holds the motion of a source
        return None
    found, cost = bundle(tracks, _starts(tracks, turning.double(), offsets))
    best = int(cost.argmin())
    if _in_doubt(found, cost, best):
        return None
    answer = Structure(*(part[best : best + 1] for part in found))
    missed = misses(tracks, answer)
    spread = log_depth_spread(tracks, answer, max(LEAST_NOISE, float(missed.median())))
    sure = (missed[0] < MOST_MISS) & (spread[0] < MOST_SPREAD)
    if int(sure.sum()) < LEAST_POINTS:
        return None
    numbers = (answer.inverse_depth[0, sure], spread[0, sure], answer.source_from_target[0])
    return SparsePoints(corners[shown][sure], *(part.to(target) for part in numbers))


def _corners(target: Float[Tensor, "3 h w"], valid: Bool[Tensor, "1 h w"] | None) -> Float[Tensor, "n 2"]:
    """Corners whose patches see no masked pixel."""
    grey = target.mean(0)
    cell = max(SMALLEST_CELL, round(math.sqrt(grey.numel() / CELLS)))
    if valid is None:
        return find_corners(grey, cell)
    masked = F.max_pool2d((~valid[None]).to(grey.dtype), 2 * RADIUS + 1, 1, RADIUS)[0, 0]
    return find_corners(grey, cell, masked == 0)


def _tracks(
    target: Float[Tensor, "3 h w"],
    sources: Float[Tensor, "s 3 h w"],
    intrinsics: Float[Tensor, "3 3"],
    corners: Float[Tensor, "c 2"],
    turning: Float[Tensor, "s 4 4"],
) -> tuple[Tracks, Bool[Tensor, " c"]]:
    """Those corners that any source shows, and which they are."""
    rays, grey = pixel_rays(corners, intrinsics), target.mean(0)
    turned = torch.einsum("sij,nj->sni", intrinsics @ turning[:, :3, :3], rays)
    guesses = turned[..., :2] / turned[..., 2:].clamp(min=1e-3)
    followed = [
        follow(grey, source.mean(0), corners, guess) for source, guess in zip(sources, guesses, strict=True)
    ]
    pixels, found = (torch.stack(parts) for parts in zip(*followed, strict=True))
    shown = found.any(0)
    return Tracks(
        rays[shown].double(), pixels[:, shown].double(), found[:, shown], intrinsics.double()
    ), shown


def _turning(
    target: Float[Tensor, "3 h w"],
    sources: Float[Tensor, "s 3 h w"],
    intrinsics: Float[Tensor, "3 3"],
    valid: Bool[Tensor, "1 h w"] | None,
) -> Float[Tensor, "s 4 4"]:
    """The turn that shifts the picture best onto each source."""
    count = len(sources)
    depth = torch.ones_like(sources[:, :1])  # any: without travel depth changes nothing
    targets = target.expand(count, -1, -1, -1)
    masks = None if valid is None else valid.expand(count, -1, -1, -1)
    return find_motion(targets, sources, depth, intrinsics.expand(count, 3, 3), masks, turning_only=True)


def _starts(tracks: Tracks, turning: Float[Tensor, "s 4 4"], offsets: tuple[int, ...]) -> Structure:
    """Steady travel in each of DIRECTIONS."""
    ways = F.normalize(torch.tensor(DIRECTIONS).to(turning), dim=-1)
    motions = turning.repeat(len(ways), 1, 1, 1)
    motions[..., :3, 3] = -ways[:, None] * torch.tensor(offsets).to(turning)[None, :, None]
    length = motions[..., :3, 3].norm(dim=-1).mean()
    inverse_depth = FIRST_SHIFT / float(tracks.intrinsics[0, 0] * length)
    return Structure(motions, torch.full((len(ways), len(tracks.rays)), inverse_depth).to(turning))


def _in_doubt(found: Structure, cost: Float[Tensor, " b"], best: int) -> bool:
    """Whether another answer, which is not the same, costs little more than the best."""
    log_ratio = found.inverse_depth.log() - found.inverse_depth[best].log()
    apart = (log_ratio - log_ratio.median(1, keepdim=True).values).abs().median(1).values
    return bool(((cost < RIVAL * cost[best]) & (apart > LIKE)).any())
