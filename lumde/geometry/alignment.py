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
from lumde.geometry.warp import seen_after

HUBER = 0.03  # grey levels (of 1) up to which an error counts squared, beyond it linearly
SMALLEST = 24  # pixels of the shorter side at the coarsest level of a search
STEPS = (6, 12, 20)  # of a search at full size, half, and smaller
# Where a search begins, along the viewing direction: shares of the median depth. Travel towards what lies far
# ahead moves little: from standstill alone a search on a road ends half way.
AHEAD = (0.0, 0.05, -0.05, 0.15, -0.15)
SEEK = 6  # steps from each start
REACH = 1 / 3  # of a side, by which the whole picture may have moved
LEAST_MET = 0.4  # of the pixels in use, that meet the source at a shift
LEAST_FALL = 1e-4  # of a pair's cost, by one step; where no pair of a batch falls that much, a level is done
STRIDE = 2  # every how-many-th pixel of both axes is looked at; a quarter of the work
DAMPING = 1e-3  # Levenberg's, as a share of the normal matrix's diagonal


class Search(NamedTuple):
    """How a motion is looked for."""

    steps: int  # Gauss-Newton steps
    turning_only: bool = False  # the camera's place stays as first guessed


class _Pair(NamedTuple):
    """Two pictures in grey, and depth of the first."""

    target: Float[Tensor, "b 1 h w"]
    source: Float[Tensor, "b 1 h w"]
    depth: Float[Tensor, "b 1 h w"]
    intrinsics: Float[Tensor, "b 3 3"]
    valid: Bool[Tensor, "b 1 h w"] | None

    def shrunk(self, level: int) -> "_Pair":
        """The same, so many times halved."""
        height, width = self.depth.shape[-2:]
        small = (max(1, height >> level), max(1, width >> level))
        return _Pair(
            _shrunk(self.target, small),
            _shrunk(self.source, small),
            1 / _shrunk(1 / self.depth, small),
            resize_intrinsics(self.intrinsics, (height, width), small),
            None if self.valid is None else _shrunk(self.valid.to(self.depth.dtype), small) > 0.99,
        )

    def repeated(self, count: int) -> "_Pair":
        """The whole batch, so many times."""
        target, source, depth = (part.repeat(count, 1, 1, 1) for part in self[:3])
        valid = None if self.valid is None else self.valid.repeat(count, 1, 1, 1)
        return _Pair(target, source, depth, self.intrinsics.repeat(count, 1, 1), valid)


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
    pair = _Pair(_grey(target), _grey(source), depth, intrinsics, valid)
    return _refined(pair, source_from_target, search)[0]


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
    """Find a motion by alignment from coarse to fine, from several starts; no network, no gradient.

    Pictures are halved until their shorter side is about SMALLEST pixels; there the best start is chosen.
    Arguments and units as those of `refine_motion`. Ours.
    """
    pair = _Pair(_grey(target), _grey(source), depth, intrinsics, valid)
    halvings = max(0, round(math.log2(min(depth.shape[-2:]) / SMALLEST)))

    def search(level: int) -> Search:
        return Search(STEPS[min(level, len(STEPS) - 1)], turning_only)

    motion = _begun(pair.shrunk(halvings), search(halvings))
    for level in range(halvings - 1, -1, -1):
        motion, _ = _refined(pair.shrunk(level), motion, search(level))
    return motion


def _begun(pair: _Pair, search: Search) -> Float[Tensor, "b 4 4"]:
    """The best of several starts: at AHEAD, with and without the turn that shifts the picture best."""
    shift = _turn_of_shift(pair)
    depth = torch.where(pair.depth.isfinite(), pair.depth, torch.nan)
    ahead = torch.zeros_like(shift)  # by one median depth
    ahead[:, 2] = depth.flatten(1).nanmedian(dim=1).values.nan_to_num()
    travels = [share * ahead for share in ((0.0,) if search.turning_only else AHEAD)]
    starts = [
        transform_from_motion(turn, travel) for turn in (torch.zeros_like(shift), shift) for travel in travels
    ]
    few = search._replace(steps=SEEK)
    motion, cost = _refined(pair.repeated(len(starts)), torch.cat(starts), few)
    best = torch.where(cost.isfinite(), cost, torch.inf).view(len(starts), -1).argmin(0)
    begun = motion.view(len(starts), -1, 4, 4)[best, torch.arange(len(best), device=best.device)]
    return _refined(pair, begun, search)[0]


def _turn_of_shift(pair: _Pair) -> Float[Tensor, "b 3"]:
    """The turn (axis times angle) that moves the picture as the shift does which suits the source best."""
    target, source = pair.target[:, 0], pair.source[:, 0]
    height, width = target.shape[1:]
    rows, columns = int(REACH * height), int(REACH * width)
    use = torch.ones_like(target) if pair.valid is None else pair.valid[:, 0].to(target.dtype)

    def slid(over: Float[Tensor, "b h w"], kernel: Float[Tensor, "b h w"]) -> Float[Tensor, "b r c"]:
        """Sum of products at each shift, of the pixels that meet."""
        padded = F.pad(over, (columns, columns, rows, rows))
        return F.conv2d(padded[None], kernel[:, None], groups=len(kernel))[0]

    met = slid(torch.ones_like(source), use)
    square = (
        slid(torch.ones_like(source), use * target**2) - 2 * slid(source, use * target) + slid(source**2, use)
    )
    error = torch.where(met > LEAST_MET * use.sum((1, 2))[:, None, None], square / met, torch.inf)
    best = error.flatten(1).argmin(1)
    down, right = best // error.shape[2] - rows, best % error.shape[2] - columns
    focal = pair.intrinsics.diagonal(dim1=1, dim2=2)
    return torch.stack([-down / focal[:, 1], right / focal[:, 0], torch.zeros_like(focal[:, 0])], dim=1)


def _refined(
    pair: _Pair, motion: Float[Tensor, "b 4 4"], search: Search
) -> tuple[Float[Tensor, "b 4 4"], Float[Tensor, " b"]]:
    """`refine_motion`, with the cost that is left."""
    target, source, depth, intrinsics, valid = pair
    slopes = [_every(slope, STRIDE) for slope in _slopes(target)]
    target, depth = _every(target, STRIDE), _every(depth, STRIDE)
    use = depth.isfinite() if valid is None else depth.isfinite() & _every(valid, STRIDE)
    depth = torch.where(use, depth, 1.0)
    points = _points(depth, intrinsics, STRIDE)
    unit = depth.flatten(1).median(dim=1).values[:, None]  # length in which translations are solved for
    if search.turning_only:
        unit = torch.zeros_like(unit)
    jacobian = _jacobian(slopes, points, intrinsics, unit)
    look = seen_after(source, points, intrinsics)

    def compare(motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen, inside = look(motion)
        return _robust((seen - target).flatten(1), (inside & use).flatten(1))

    error, weight, cost = compare(motion)
    for _ in range(search.steps):
        change = _solve(jacobian, error, weight)
        moved = motion @ transform_from_motion(-change[:, :3], -change[:, 3:] * unit)
        new_error, new_weight, new_cost = compare(moved)
        better = new_cost < cost  # False where either is not a number
        going = (new_cost < (1 - LEAST_FALL) * cost).any()
        motion = torch.where(better[:, None, None], moved, motion)
        error = torch.where(better[:, None], new_error, error)
        weight = torch.where(better[:, None], new_weight, weight)
        cost = torch.where(better, new_cost, cost)
        if not going:
            break
    return motion, cost


def _shrunk(values: Float[Tensor, "b c _ _"], size: tuple[int, int]) -> Float[Tensor, "b c h w"]:
    """Means over areas."""
    rows, columns = (old // new for old, new in zip(values.shape[2:], size, strict=True))
    if (rows * size[0], columns * size[1]) == values.shape[2:]:
        return F.avg_pool2d(values, (rows, columns))  # the same numbers, several times as fast
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


def _grey(picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    return picture.mean(1, keepdim=True)


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
) -> Float[Tensor, "b 6 n"]:
    """Change of the target's brightness at each pixel per radian (3) and per `unit` (3) of its motion."""
    focal = intrinsics.diagonal(dim1=1, dim2=2)[..., None, None]
    x, y, z = points.split(1, dim=1)
    per_x, per_y = (slope * focal[:, i : i + 1] / z for i, slope in enumerate(slopes))
    per_point = torch.cat([per_x, per_y, -(per_x * x + per_y * y) / z], dim=1)
    per_radian = torch.linalg.cross(points, per_point, dim=1)
    return torch.cat([per_radian, per_point * unit[..., None, None]], dim=1).flatten(2)


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
    jacobian: Float[Tensor, "b 6 n"], error: Float[Tensor, "b n"], weight: Float[Tensor, "b n"]
) -> Float[Tensor, "b 6"]:
    weighted = jacobian * weight[:, None]
    normal = weighted @ jacobian.mT
    floor = DAMPING * normal.diagonal(dim1=1, dim2=2) + 1e-12
    right = (weighted @ error[..., None])[..., 0]
    return torch.linalg.solve_ex(normal + torch.diag_embed(floor), right).result
