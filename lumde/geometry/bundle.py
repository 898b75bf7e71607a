"""Motion and points together, from where corners lie in several pictures: bundle adjustment.

Source: Triggs et al. 2000, "Bundle Adjustment - A Modern Synthesis" (Schur complement, gauge); damping is
Levenberg's and Marquardt's. Constants are ours.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.geometry.pose import transform_from_motion

STEPS = 40
NOISE = 0.5  # pixels: Cauchy's scale, beyond which an error loses its say
FARTHEST = 1e4  # travels: greatest depth of a point, whose smallest is 1e-3
LONGEST = 0.3  # radians that a step turns, per axis
DAMPING = (1e-2, 1e-6, 1e6)  # at first, at least, at most
EPSILON = 1e-9  # added to what is divided by


class Tracks(NamedTuple):
    """Corners of a target and where its sources show them."""

    rays: Float[Tensor, "n 3"]  # of the target, at depth 1
    pixels: Float[Tensor, "s n 2"]
    found: Bool[Tensor, "s n"]
    intrinsics: Float[Tensor, "3 3"]  # of all, pixels; without skew


class Structure(NamedTuple):
    """Motions and points; the unit of length is the mean travel of the sources. One per start."""

    source_from_target: Float[Tensor, "b s 4 4"]
    inverse_depth: Float[Tensor, "b n"]


class _Errors(NamedTuple):
    """Where points fall, against where they were found."""

    points: Float[Tensor, "b s n 3"]  # of the sources' cameras, times inverse depth
    pixels: Float[Tensor, "b s n 2"]  # too far right, too low
    weight: Float[Tensor, "b s n"]  # Cauchy's; 0 where a corner was not found
    cost: Float[Tensor, " b"]


class _Normal(NamedTuple):
    """Normal equations, by blocks: a motion's six numbers (turn, travel) and the points' inverse depths."""

    motion: Float[Tensor, "b s 6 6"]
    cross: Float[Tensor, "b n m"]  # m = 6 per source
    point: Float[Tensor, "b n"]
    motion_slope: Float[Tensor, "b m"]
    point_slope: Float[Tensor, "b n"]

    def reduced(
        self, damping: Float[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b m m"], Float[Tensor, "b m"], Float[Tensor, "b n"]]:
        """Matrix and slope of the motions alone, and the points' own terms, damped."""
        count, sources = self.motion.shape[:2]
        own = self.point * (1 + damping[:, None]) + EPSILON
        matrix = torch.zeros(count, sources * 6, sources * 6).to(own)
        for i in range(sources):
            matrix[:, 6 * i : 6 * i + 6, 6 * i : 6 * i + 6] = self.motion[:, i]
        diagonal = torch.diagonal(matrix, dim1=1, dim2=2)
        matrix = matrix + torch.diag_embed(diagonal * damping[:, None] + EPSILON)
        share = self.cross / own[..., None]
        slope = self.motion_slope - (share * self.point_slope[..., None]).sum(1)
        return matrix - share.mT @ self.cross, slope, own


@torch.no_grad()
def bundle(tracks: Tracks, start: Structure) -> tuple[Structure, Float[Tensor, " b"]]:
    """Improve motions and points until the points fall where they were found; several starts at once.

    Args:
        tracks: in fp64, the starts too.
        start: first guesses.

    Returns:
        What each start leads to, and its cost: sum of log(1 + (pixels / NOISE)^2). No start gets worse.
    """
    best, damping = _of_unit_travel(start), torch.full_like(start.inverse_depth[:, 0], DAMPING[0])
    errors = _errors(tracks, best)
    for _ in range(STEPS):
        tried = _stepped(best, _normal(tracks, best, errors), damping)
        found = _errors(tracks, tried)
        better = found.cost < errors.cost
        best = Structure(*(_chosen(better, new, old) for new, old in zip(tried, best, strict=True)))
        errors = _Errors(*(_chosen(better, new, old) for new, old in zip(found, errors, strict=True)))
        damping = torch.where(better, damping * 0.3, damping * 5).clamp(*DAMPING[1:])
    return best, errors.cost


@torch.no_grad()
def misses(tracks: Tracks, structure: Structure) -> Float[Tensor, "b n"]:
    """Root mean square over the sources of the pixels by which each point misses where it was found."""
    errors = _errors(tracks, structure).pixels.square().sum(-1) * tracks.found
    return (errors.sum(1) / tracks.found.sum(0).clamp(min=1)).sqrt()


@torch.no_grad()
def log_depth_spread(tracks: Tracks, structure: Structure, noise: float) -> Float[Tensor, "b n"]:
    """Standard deviation of each point's log depth, up to a factor that all share.

    What a motion that is not quite known does to all points at once is part of it.

    Args:
        tracks: corners.
        structure: at which `bundle` ended.
        noise: of a corner's place, pixels per axis.
    """
    normal = _normal(tracks, structure, _errors(tracks, structure))
    matrix, _, own = normal.reduced(torch.zeros_like(structure.inverse_depth[:, 0]))
    travel = structure.source_from_target[..., :3, 3]
    gauge = torch.cat([torch.zeros_like(travel), travel], -1).flatten(1)  # longer or shorter, all alike
    gauge = gauge / gauge.norm(dim=1, keepdim=True)
    free = torch.eye(gauge.shape[1]).to(gauge) - gauge[:, :, None] * gauge[:, None]
    values, vectors = torch.linalg.eigh(torch.linalg.pinv(free @ matrix @ free, hermitian=True))
    root = vectors * values.clamp(min=0).sqrt()[:, None]
    relative = (normal.cross / own[..., None] / structure.inverse_depth[..., None]) @ root
    telling = own * structure.inverse_depth.square()  # information of a point's log depth
    share = telling / telling.sum(1, keepdim=True)
    relative = relative - (share[..., None] * relative).sum(1, keepdim=True)
    return noise * (relative.square().sum(-1) + 1 / telling).sqrt()


def _chosen(better: Bool[Tensor, " b"], new: Tensor, old: Tensor) -> Tensor:
    return torch.where(better.reshape(-1, *(1,) * (new.dim() - 1)), new, old)


def _of_unit_travel(structure: Structure) -> Structure:
    length = structure.source_from_target[..., :3, 3].norm(dim=-1).mean(1).clamp(min=EPSILON)
    motions = structure.source_from_target.clone()
    motions[..., :3, 3] /= length[:, None, None]
    inverse_depth = (structure.inverse_depth * length[:, None]).clamp(1 / FARTHEST, 1e3)
    return Structure(motions, inverse_depth)


def _errors(tracks: Tracks, structure: Structure) -> _Errors:
    motions = structure.source_from_target
    turned = torch.einsum("bsij,nj->bsni", motions[..., :3, :3], tracks.rays)
    points = turned + structure.inverse_depth[:, None, :, None] * motions[:, :, None, :3, 3]
    points = torch.cat([points[..., :2], points[..., 2:].clamp(min=1e-3)], -1)
    projected = (points / points[..., 2:]) @ tracks.intrinsics[:2].T
    pixels = projected - tracks.pixels
    squared = pixels.square().sum(-1) / NOISE**2
    return _Errors(points, pixels, tracks.found / (1 + squared), (squared.log1p() * tracks.found).sum((1, 2)))


def _normal(tracks: Tracks, structure: Structure, errors: _Errors) -> _Normal:
    """How errors change with small turns and travels, after the motion, and with inverse depths."""
    points, weight = errors.points, errors.weight
    focal = torch.diagonal(tracks.intrinsics)[:2]
    ahead = points[..., 2:]
    by_point = torch.zeros(*points.shape[:-1], 2, 3).to(points)
    by_point[..., 0, 0], by_point[..., 1, 1] = (focal / ahead).unbind(-1)
    by_point[..., 2] = -focal * points[..., :2] / ahead.square()
    by_turn = torch.linalg.cross(points[..., None, :].expand_as(by_point), by_point)
    by_travel = structure.inverse_depth[:, None, :, None, None] * by_point
    by_motion = torch.cat([by_turn, by_travel], -1)
    by_depth = (by_point @ structure.source_from_target[:, :, None, :3, 3:])[..., 0]
    weighted = weight[..., None, None] * by_motion
    cross = torch.einsum("bsnki,bsnk->bnsi", weighted, by_depth)
    return _Normal(
        torch.einsum("bsnki,bsnkj->bsij", weighted, by_motion),
        cross.flatten(2),
        (weight[..., None] * by_depth.square()).sum((1, 3)),
        torch.einsum("bsnki,bsnk->bsi", weighted, errors.pixels).flatten(1),
        (weight[..., None] * by_depth * errors.pixels).sum((1, 3)),
    )


def _stepped(structure: Structure, normal: _Normal, damping: Float[Tensor, " b"]) -> Structure:
    matrix, slope, own = normal.reduced(damping)
    step = -torch.linalg.solve(matrix, slope)
    further = (-normal.point_slope - (normal.cross * step[:, None]).sum(-1)) / own
    turn, travel = step.reshape(len(step), -1, 6).split(3, -1)
    moves = transform_from_motion(turn.flatten(0, 1).clamp(-LONGEST, LONGEST), travel.flatten(0, 1))
    motions = moves.reshape(structure.source_from_target.shape) @ structure.source_from_target
    return _of_unit_travel(Structure(motions, structure.inverse_depth + further))
