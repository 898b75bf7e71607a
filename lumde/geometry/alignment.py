"""Direct alignment: the camera motion that explains two pictures best, given depth."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.geometry.camera import backproject, project, resize_intrinsics, transform
from lumde.geometry.pose import transform_from_motion
from lumde.geometry.precision import full_precision
from lumde.geometry.warp import warp_points

HUBER = 0.03  # grey levels (of 1) up to which an error counts squared, beyond it linearly
SMALLEST = 24  # pixels of the shorter side at the coarsest level of a search
STEPS = (3, 6, 10)  # of a search at full size, half, and smaller
STRIDE = 2  # every how-many-th pixel of both axes is looked at; a quarter of the work
DAMPING = 1e-3  # Levenberg's, as a share of the normal matrix's diagonal


class Search(NamedTuple):
    """How a motion is looked for."""

    steps: int  # Gauss-Newton steps
    turning_only: bool = False  # the camera's place stays as first guessed


@torch.no_grad()
@full_precision
def refine_motion(
    target: Float[Tensor, "b 3 h w"],
    source: Float[Tensor, "b 3 h w"],
    depth: Float[Tensor, "b 1 h w"],
    source_from_target: Float[Tensor, "b 4 4"],
    intrinsics: Float[Tensor, "b 3 3"],
    search: Search,
    valid: Bool[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, "b 4 4"]:
    """Improve a motion by Gauss-Newton steps on the brightness error; no gradient flows.

    A step that does not lower a sample's error is not taken, so the answer is never worse than the start;
    samples with non-finite numbers come back as they were.

    Args:
        target: clean picture.
        source: clean picture the target is compared with.
        depth: of the target, metres or units of the unscaled world.
        source_from_target: first guess; its error must be within a few pixels.
        intrinsics: of both, pixels.
        search: how far it goes, and whether the camera may travel.
        valid: target pixels that count; None = all.

    Source: inverse-compositional alignment, Baker and Matthews 2004, IJCV 56(3); for depth from video first
    used by Wang et al. 2018, arXiv:1712.00175 (DDVO). Huber weights, damping and step control are ours.
    """
    grey_target, grey_source = target.mean(1, keepdim=True), source.mean(1, keepdim=True)
    slopes = [_every(slope, STRIDE) for slope in _slopes(grey_target)]
    grey_target, depth = _every(grey_target, STRIDE), _every(depth, STRIDE)
    use = depth.isfinite() if valid is None else depth.isfinite() & _every(valid, STRIDE)
    depth = torch.where(use, depth, 1.0)
    points = _points(depth, intrinsics, STRIDE)
    unit = depth.flatten(1).median(dim=1).values[:, None]  # length in which translations are solved for
    if search.turning_only:
        unit = torch.zeros_like(unit)
    jacobian = _jacobian(slopes, points, intrinsics, unit)

    def compare(motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        warped = warp_points(grey_source, points, use, motion, intrinsics)
        return _robust((warped.image - grey_target).flatten(1), warped.inside.flatten(1))

    motion = source_from_target
    error, weight, cost = compare(motion)
    for _ in range(search.steps):
        change = _solve(jacobian, error, weight)
        moved = motion @ transform_from_motion(-change[:, :3], -change[:, 3:] * unit)
        new_error, new_weight, new_cost = compare(moved)
        better = new_cost < cost  # False where either is not a number
        motion = torch.where(better[:, None, None], moved, motion)
        error = torch.where(better[:, None], new_error, error)
        weight = torch.where(better[:, None], new_weight, weight)
        cost = torch.where(better, new_cost, cost)
    return motion


@torch.no_grad()
@full_precision
def find_motion(
    target: Float[Tensor, "b 3 h w"],
    source: Float[Tensor, "b 3 h w"],
    depth: Float[Tensor, "b 1 h w"],
    intrinsics: Float[Tensor, "b 3 3"],
    valid: Bool[Tensor, "b 1 h w"] | None = None,
    turning_only: bool = False,
) -> Float[Tensor, "b 4 4"]:
    """Find a motion from standstill by alignment from coarse to fine; no network, no gradient.

    Pictures are halved until their shorter side is about SMALLEST pixels, so that motions of a tenth of the
    width are within reach. Arguments and units as those of `refine_motion`. Ours.
    """
    size = (depth.shape[-2], depth.shape[-1])
    motion = torch.eye(4, device=depth.device, dtype=depth.dtype).repeat(len(depth), 1, 1)
    halvings = max(0, round(math.log2(min(size) / SMALLEST)))
    for level in range(halvings, -1, -1):
        small = (max(1, size[0] >> level), max(1, size[1] >> level))
        use = None if valid is None else _shrunk(valid.to(depth.dtype), small) > 0.99
        motion = refine_motion(
            _shrunk(target, small),
            _shrunk(source, small),
            1 / _shrunk(1 / depth, small),
            motion,
            resize_intrinsics(intrinsics, size, small),
            Search(STEPS[min(level, len(STEPS) - 1)], turning_only),
            use,
        )
    return motion


def _shrunk(values: Float[Tensor, "b c _ _"], size: tuple[int, int]) -> Float[Tensor, "b c h w"]:
    return F.interpolate(values, size, mode="area")


@full_precision
def motion_distance(
    a: Float[Tensor, "b 4 4"],
    b: Float[Tensor, "b 4 4"],
    depth: Float[Tensor, "b 1 h w"],
    intrinsics: Float[Tensor, "b 3 3"],
    stride: int = 4,
    limit: float = 0.1,
    valid: Bool[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, ""]:
    """Mean distance between where two motions see the same (valid) points, per axis, as a share of the width.

    Every `stride`-th pixel of both axes is asked; a single distance counts at most `limit`, so that points
    near or behind a camera do not rule. Ours.
    """
    points = _points(_every(depth, stride), intrinsics, stride)
    shift = project(transform(points, a), intrinsics) - project(transform(points, b), intrinsics)
    distance = (shift.abs() / depth.shape[-1]).nan_to_num(nan=limit).clamp(max=limit)
    if valid is None:
        return distance.mean()
    use = _every(valid, stride)
    return torch.where(use, distance, 0.0).sum() / (distance.shape[1] * use.sum()).clamp(min=1)


def _every(values: Tensor, stride: int) -> Tensor:
    return values[..., ::stride, ::stride]


def _points(
    depth: Float[Tensor, "b 1 h w"], intrinsics: Float[Tensor, "b 3 3"], stride: int
) -> Float[Tensor, "b 3 h w"]:
    """Points of every `stride`-th pixel, whose depth is given; pixel i lies at stride * i."""
    thinned = torch.cat([intrinsics[:, :2] / stride, intrinsics[:, 2:]], dim=1)
    return backproject(depth, thinned)


def _jacobian(
    slopes: list[Float[Tensor, "b 1 h w"]],
    points: Float[Tensor, "b 3 h w"],
    intrinsics: Float[Tensor, "b 3 3"],
    unit: Float[Tensor, "b 1"],
) -> Float[Tensor, "b n 6"]:
    """Change of the target's brightness at each pixel per radian (3) and per `unit` (3) of its motion."""
    focal = intrinsics.diagonal(dim1=1, dim2=2)[..., None, None]
    x, y, z = points.split(1, dim=1)
    per_x, per_y = (slope * focal[:, i : i + 1] / z for i, slope in enumerate(slopes))
    per_point = torch.cat([per_x, per_y, -(per_x * x + per_y * y) / z], dim=1)
    per_radian = torch.linalg.cross(points, per_point, dim=1)
    return torch.cat([per_radian, per_point * unit[..., None, None]], dim=1).flatten(2).mT


def _slopes(grey: Float[Tensor, "b 1 h w"]) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 1 h w"]]:
    """Central differences along x and y."""
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    along_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    along_y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return along_x, along_y


def _robust(
    error: Float[Tensor, "b n"], use: Bool[Tensor, "b n"]
) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b n"], Float[Tensor, " b"]]:
    """Errors, Huber's weights and Huber's mean cost over the pixels in use."""
    size = error.abs()
    small = size < HUBER
    weight = torch.where(small, 1.0, HUBER / size.clamp(min=HUBER)) * use
    cost = torch.where(small, 0.5 * size.square(), HUBER * (size - 0.5 * HUBER)) * use
    return error, weight, cost.sum(1) / use.sum(1)


def _solve(
    jacobian: Float[Tensor, "b n 6"], error: Float[Tensor, "b n"], weight: Float[Tensor, "b n"]
) -> Float[Tensor, "b 6"]:
    weighted = jacobian * weight[..., None]
    normal = weighted.mT @ jacobian
    floor = DAMPING * normal.diagonal(dim1=1, dim2=2) + 1e-12
    right = (weighted * error[..., None]).sum(1)
    return torch.linalg.solve_ex(normal + torch.diag_embed(floor), right).result
