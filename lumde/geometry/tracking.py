"""Corners followed from one picture to another."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.geometry.patches import normed, sample, square

RADIUS = 4  # pixels of a patch around its corner, at every level
SMALLEST = 24  # pixels of the shorter side at the coarsest level
STEPS = 12  # at each level
LONGEST = 1.5  # pixels of a step, per axis
DAMPING = 1e-4  # added to the diagonal of a patch's normal matrix
LEAST_SCORE = 0.8  # correlation of the patches where a corner is found
RETURN = 0.5  # pixels by which a corner may miss itself when it is followed back


@torch.no_grad()
def follow(
    target: Float[Tensor, "h w"],
    source: Float[Tensor, "h w"],
    corners: Float[Tensor, "n 2"],
    guess: Float[Tensor, "n 2"],
) -> tuple[Float[Tensor, "n 2"], Bool[Tensor, " n"]]:
    """Places (x, y) in the source of the target's corners, and whether they can be relied on.

    Args:
        target: grey.
        source: grey.
        corners: pixels of the target.
        guess: about where they are in the source.

    Source: Lucas and Kanade 1981; inverse-compositional steps with a patch's own gain and offset, Baker and
    Matthews 2004, IJCV 56(3); from coarse to fine, Bouguet 2001. Thresholds are ours.
    """
    found = _followed(target, source, corners, guess)
    back = _followed(source, target, found, corners, levels=1)
    patch = square(RADIUS, corners)
    ours, theirs = (
        normed(sample(picture, place[:, None] + patch))
        for picture, place in ((target, corners), (source, found))
    )
    size = target.new_tensor([target.shape[1] - 1, target.shape[0] - 1])
    inside = ((found > RADIUS) & (found < size - RADIUS)).all(-1)
    return found, inside & ((ours * theirs).sum(-1) > LEAST_SCORE) & ((back - corners).norm(dim=-1) < RETURN)


def _followed(
    target: Float[Tensor, "h w"],
    source: Float[Tensor, "h w"],
    corners: Float[Tensor, "n 2"],
    guess: Float[Tensor, "n 2"],
    levels: int | None = None,
) -> Float[Tensor, "n 2"]:
    if levels is None:
        levels = 1 + max(0, round(math.log2(min(target.shape) / SMALLEST)))
    place = guess
    for level in range(levels - 1, -1, -1):
        factor = 2.0**level
        near, far = (F.avg_pool2d(picture[None, None], 2**level)[0, 0] for picture in (target, source))
        here, there = ((pixels + 0.5) / factor - 0.5 for pixels in (corners, place))
        place = (_stepped(near, far, here, there) + 0.5) * factor - 0.5
    return place


def _stepped(
    target: Float[Tensor, "h w"],
    source: Float[Tensor, "h w"],
    corners: Float[Tensor, "n 2"],
    place: Float[Tensor, "n 2"],
) -> Float[Tensor, "n 2"]:
    """Gauss-Newton steps at one level."""
    patch = square(RADIUS, corners)
    pixels = corners[:, None] + patch
    grey = sample(target, pixels)
    half = torch.eye(2).to(grey) / 2
    slopes = [sample(target, pixels + step) - sample(target, pixels - step) for step in half]
    # Of x, y, gain and offset. The gain's column without its mean: a flat patch would repeat the offset's.
    jacobian = torch.stack([*slopes, grey - grey.mean(-1, keepdim=True), torch.ones_like(grey)], -1)
    normal = jacobian.mT @ jacobian + DAMPING * torch.eye(4).to(grey)
    solver = torch.linalg.solve(normal, jacobian.mT)[:, :2]
    for _ in range(STEPS):
        error = sample(source, place[:, None] + patch) - grey
        place = place - (solver @ error[..., None])[..., 0].clamp(-LONGEST, LONGEST)
    return place
