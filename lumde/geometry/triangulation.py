"""Sparse depth from pictures at known poses: corners are followed along their epipolar lines.

A check on networks where nothing else measured depth. Source: multiple-baseline search over inverse depth,
Okutomi and Kanade 1993, IEEE TPAMI 15(4); thresholds are ours.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.geometry.camera import pixel_rays
from lumde.geometry.patches import find_corners, normed, sample, square

CELL = 12  # pixels: at most one corner per cell of that size
RADIUS = 3  # pixels of a patch around its corner
MOST_STEPS = 768  # inverse depths that are tried
LEAST_SCORE = 0.9  # correlation of the patches at the depth found
LEAST_LEAD = 0.05  # of the best score over any other further away than APART
APART = 3.0  # pixels
LEAST_SHIFT = 0.5  # pixels by which ACCURACY of the depth moves a patch
ACCURACY = 0.02
REFINED = 8  # steps between two inverse depths of the search


class View(NamedTuple):
    """Pictures around a target and where they were taken from."""

    target: Float[Tensor, "3 h w"]
    sources: Float[Tensor, "s 3 h w"]
    source_from_target: Float[Tensor, "s 4 4"]  # metres
    intrinsics: Float[Tensor, "3 3"]  # of all, pixels


@torch.no_grad()
def triangulate(view: View, near: float, far: float) -> Float[Tensor, "1 h w"]:
    """Depth of the corners that can be followed without doubt, 0 elsewhere; metres, if the poses are.

    What moves by itself leaves its epipolar line and is mostly left out, but not if it moves along it.

    Args:
        view: two sources or more, seen from different places.
        near: smallest depth that is looked for.
        far: greatest one.
    """
    grey = view.target.mean(0)
    corners = find_corners(grey, CELL)
    depth = torch.zeros_like(grey)
    if len(corners):
        lines = _Lines.of(view, corners)
        found, sure = _search(lines, grey, view.sources.mean(1), near, far)
        x, y = corners[sure].long().T
        depth[y, x] = found[sure]
    return depth[None]


class _Lines(NamedTuple):
    """Where patches around corners lie in the sources: (base + inverse depth * shift), still homogeneous."""

    patch: Float[Tensor, "n p 2"]  # pixels of the target
    base: Float[Tensor, "s n p 3"]
    shift: Float[Tensor, "s 3"]

    @staticmethod
    def of(view: View, corners: Float[Tensor, "n 2"]) -> "_Lines":
        """Lines of square patches that face the camera."""
        patch = corners[:, None] + square(RADIUS, corners)
        rays = pixel_rays(patch, view.intrinsics)
        turned = view.intrinsics @ view.source_from_target[:, :3, :3]
        base = torch.einsum("sij,npj->snpi", turned, rays)
        return _Lines(patch, base, view.source_from_target[:, :3, 3] @ view.intrinsics.T)

    def pixels(self, source: int, inverse_depth: Float[Tensor, "n d"]) -> Float[Tensor, "n d p 3"]:
        """Pixels (x, y) in a source, and the depth there as a share of the target's."""
        moved = self.base[source][:, None] + inverse_depth[..., None, None] * self.shift[source]
        return torch.cat([moved[..., :2] / moved[..., 2:].clamp(min=1e-6), moved[..., 2:]], -1)

    def centres(self, inverse_depth: Float[Tensor, "n d"]) -> Float[Tensor, "s n d 2"]:
        """Where the corners themselves lie in every source."""
        middle = self.patch.shape[1] // 2
        thin = _Lines(self.patch[:, middle : middle + 1], self.base[:, :, middle : middle + 1], self.shift)
        return torch.stack([thin.pixels(s, inverse_depth)[:, :, 0, :2] for s in range(len(self.shift))])


def _search(
    lines: _Lines, target: Float[Tensor, "h w"], sources: Float[Tensor, "s h w"], near: float, far: float
) -> tuple[Float[Tensor, " n"], Bool[Tensor, " n"]]:
    """Depth of each corner, and whether there is no doubt about it."""
    ends = torch.tensor([[1 / far, 1 / near]]).to(target).expand(len(lines.patch), 2)
    length = lines.centres(ends).diff(dim=2).norm(dim=-1).amax()
    steps = int(length.clamp(16, MOST_STEPS).ceil())
    tried = torch.linspace(1 / far, 1 / near, steps).to(target).expand(len(lines.patch), steps)
    scores = _scores(lines, target, sources, tried)
    best, index = scores.max(1)
    pick = index[:, None]
    places = lines.centres(tried)
    here = places.gather(2, pick[None, ..., None].expand(len(places), -1, -1, 2))
    far_away = (places - here).norm(dim=-1).amax(0) > APART
    rival = torch.where(far_away, scores, -1.0).amax(1)
    inside = (index > 0) & (index < steps - 1)
    found = _refined(lines, target, sources, tried.gather(1, pick), float(tried[0, 1] - tried[0, 0]))
    change = lines.centres(torch.stack([found, found * (1 + ACCURACY)], 1)).diff(dim=2)
    telling = change.norm(dim=-1).amax(0)[:, 0] > LEAST_SHIFT
    return 1 / found, inside & telling & (best > LEAST_SCORE) & (best - rival > LEAST_LEAD)


def _refined(
    lines: _Lines,
    target: Float[Tensor, "h w"],
    sources: Float[Tensor, "s h w"],
    start: Float[Tensor, "n 1"],
    step: float,
) -> Float[Tensor, " n"]:
    """The best inverse depth around a first one, between samples by a parabola."""
    fine = step / REFINED
    offsets = fine * torch.arange(-REFINED, REFINED + 1).to(start)
    tried = (start + offsets).clamp(min=1e-6)
    scores = _scores(lines, target, sources, tried)
    index = scores[:, 1:-1].argmax(1, keepdim=True) + 1
    left, middle, right = (scores.gather(1, index + i) for i in (-1, 0, 1))
    bend = (left - 2 * middle + right).clamp(max=-1e-6)
    return (tried.gather(1, index) + fine * (0.5 * (left - right) / bend).clamp(-1, 1))[:, 0]


def _scores(
    lines: _Lines,
    target: Float[Tensor, "h w"],
    sources: Float[Tensor, "s h w"],
    inverse_depth: Float[Tensor, "n d"],
) -> Float[Tensor, "n d"]:
    """Mean correlation of each patch with the sources that see it; -1 where fewer than two do."""
    ours = normed(sample(target, lines.patch)[:, None])
    total = torch.zeros_like(inverse_depth)
    count = torch.zeros_like(inverse_depth)
    size = target.new_tensor([target.shape[1] - 1, target.shape[0] - 1])
    for s, source in enumerate(sources):
        place = lines.pixels(s, inverse_depth)
        pixels, ahead = place[..., :2], place[..., 2] > 0
        seen = (ahead & (pixels >= 0).all(-1) & (pixels <= size).all(-1)).all(-1)
        correlation = (normed(sample(source, pixels)) * ours).sum(-1)
        total += torch.where(seen, correlation, 0.0)
        count += seen
    return torch.where(count > 1, total / count.clamp(min=1), -1.0)
