"""Pair-wise distillation: which places of the picture resemble each other, to student and teacher."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.geometry.precision import full_precision

ANCHOR = 0.5  # log depth; a node 1.65 times the mean depth then stands at 45 degrees to one at the mean


@full_precision
def pairwise_affinity(
    student: Float[Tensor, "b _ _ _"],
    teacher: Float[Tensor, "b _ _ _"],
    grid: tuple[int, int] = (2, 2),
    pool: Literal["average", "max"] = "average",
    valid: Bool[Tensor, "b 1 _ _"] | None = None,
) -> Float[Tensor, ""]:
    """Compare the cosine similarities of all pairs of nodes: mean of (a_student - a_teacher)^2.

    The two maps may differ in channels and size: only node-by-node matrices meet.

    Args:
        student: features, or `depth_nodes`.
        teacher: the same of the teacher; detach it unless it shall learn.
        grid: rows and columns of nodes.
        pool: how a cell becomes a node: average as in the paper, or max as in the paper's released code.
        valid: pixels that count, at any size; a node counts if its whole cell does. None = all.

    Source: Liu et al. 2019, arXiv:1903.04197, sec. 3.2 (eq. 2), fully connected. The mean over pairs and the
    undetached norms follow the paper's formula.
    """
    difference = (_affinity(student, grid, pool) - _affinity(teacher, grid, pool)).square()
    if valid is None:
        return difference.mean()
    whole = F.adaptive_max_pool2d((~valid).to(difference.dtype), grid).flatten(1) == 0  # [b, n]
    pairs = whole[:, :, None] & whole[:, None, :]
    return torch.where(pairs, difference, 0.0).sum() / pairs.sum().clamp(min=1)


@full_precision
def depth_nodes(
    depth: Float[Tensor, "b 1 h w"],
    grid: tuple[int, int],
    patch: int = 4,
    valid: Bool[Tensor, "b 1 h w"] | None = None,
) -> Float[Tensor, "b d {grid[0]} {grid[1]}"]:
    """Describe each node of a depth map, for `pairwise_affinity` where a teacher gives no features. Ours.

    A node is its cell's log depth at `patch` x `patch` points, minus the picture's mean log depth (so that a
    common scale drops out), and one constant of norm `ANCHOR`. The constant turns the cosine between two
    nodes into a smooth measure of how much nearer one is than the other; without it the cosine of
    near-constant patches knows only the sign.

    Args:
        depth: metres, > 0.
        grid: rows and columns of nodes.
        patch: points per side of a node.
        valid: pixels whose depth means something; others count as at the mean. None = all.
    """
    log_depth = depth.log()
    if valid is None:
        centred = log_depth - log_depth.mean((2, 3), keepdim=True)
    else:
        count = valid.sum((2, 3), keepdim=True).clamp(min=1)
        mean = torch.where(valid, log_depth, 0.0).sum((2, 3), keepdim=True) / count
        centred = torch.where(valid, log_depth - mean, 0.0)
    points = F.adaptive_avg_pool2d(centred, (grid[0] * patch, grid[1] * patch))
    values = F.pixel_unshuffle(points, patch) / patch  # norm = root mean square of the patch
    return torch.cat([values, torch.full_like(values[:, :1], ANCHOR)], dim=1)


def _affinity(
    features: Float[Tensor, "b c h w"], grid: tuple[int, int], pool: Literal["average", "max"]
) -> Float[Tensor, "b n n"]:
    pooled = (
        F.adaptive_avg_pool2d(features, grid) if pool == "average" else F.adaptive_max_pool2d(features, grid)
    )
    nodes = F.normalize(pooled.flatten(2), dim=1)
    return nodes.mT @ nodes
