"""How far off depth is where a clip itself tells it: at corners that neighbouring frames triangulate."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from lumde.data.snippets import Snippets
from lumde.errors import ConfigError
from lumde.evaluators.parallax import Disparity, SnippetView, evenly, view_of
from lumde.geometry.patches import sample
from lumde.geometry.sparse import SparsePoints, find_points
from lumde.models import resize_disparity

LEAST_SNIPPETS = 3  # that have points; fewer tell nothing of a clip
WORST = 1.0  # relative error beyond which a point is as wrong as can be: a few may be false themselves


@dataclass(frozen=True)
class CornerScore:
    """Means over the snippets that have points."""

    abs_rel: float  # |depth - the point's| / the point's, at most WORST; one factor per frame taken out
    drift: float  # |difference of log factor| between a frame and its sources: how the scale wanders
    points: float  # per snippet
    errors: tuple[float, ...]  # abs_rel of each snippet

    def worse_than(self, other: "CornerScore") -> bool:
        """Whether the same snippets say so by more than twice their standard error; or say nothing."""
        more = np.subtract(self.errors, other.errors)
        return not more.mean() <= 2 * more.std(ddof=1) / math.sqrt(len(more))


class _Seen(NamedTuple):
    """Points of a snippet, as the target and each source see them."""

    pictures: UInt8[Tensor, "v 3 h w"]  # the target first
    pixels: list[Float[Tensor, "n 2"]]  # (x, y) in each
    inverse_depth: list[Float[Tensor, " n"]]


def joint_score(error: float, abs_rel: float) -> float:
    """Geometric mean of photometric error and error at corners: ranks networks on one clip, the best first.

    Each alone misses something: pictures that fit hardly tell far from farther, and corners are where texture
    is. The drift of the scale is no part of it: a network that answers one depth everywhere has none. Ours;
    docs/results.md tells how it ranks.
    """
    return math.sqrt(error * abs_rel)


class Corners:
    """Points of a clip, found once, by which any number of networks can be scored."""

    def __init__(self, snippets: Snippets, most: int) -> None:
        """Find them.

        Args:
            snippets: with sources before and after, no stereo partner.
            most: snippets that are looked at, evenly spread.

        Raises:
            ConfigError: a stereo partner is among the sources.
            DataError: too much cannot be read.
        """
        if snippets.config.stereo:
            raise ConfigError(
                "snippets.stereo: corners are followed through time alone; leave the partner out"
            )
        self._seen: list[_Seen] = []
        for taken in evenly(snippets, most):
            view = view_of(taken)
            if points := _points(view, snippets.config.offsets):
                self._seen.append(_seen(view, points))

    def score(self, disparity: Disparity) -> CornerScore | None:
        """Score a network; None where too few snippets have points.

        Source: abs_rel of Eigen et al. 2014, arXiv:1406.2283, to points instead of measurements; scaled by
        the median of ratios, where Zhou et al. 2017, arXiv:1704.07813, take the ratio of medians. Else ours.
        """
        if len(self._seen) < LEAST_SNIPPETS:
            return None
        errors, drifts = np.array([_score(disparity, seen) for seen in self._seen]).T
        points = np.mean([len(seen.pixels[0]) for seen in self._seen])
        return CornerScore(
            float(errors.mean()), float(np.nanmean(drifts)), float(points), tuple(errors.tolist())
        )


def _points(view: SnippetView, offsets: tuple[int, ...]) -> SparsePoints | None:
    valid = None if view.valid is None else view.valid[0]
    return find_points(view.target[0], view.sources, view.intrinsics[0], offsets, valid)


def _seen(view: SnippetView, points: SparsePoints) -> _Seen:
    size = torch.tensor([view.target.shape[-1] - 1, view.target.shape[-2] - 1])
    pixels, inverse_depth = [points.pixels], [points.inverse_depth]
    for i in range(len(view.sources)):
        places, there = points.in_source(i, view.intrinsics[0])
        inside = ((places >= 0) & (places <= size)).all(-1)
        pixels.append(places[inside])
        inverse_depth.append(there[inside])
    pictures = (255 * torch.cat([view.target[:1], view.sources])).round().byte()
    return _Seen(pictures, pixels, inverse_depth)


@torch.inference_mode()
def _score(disparity: Disparity, seen: _Seen) -> tuple[float, float]:
    """Relative error of the target's depth, and how its scale differs from that of the sources' depth."""
    size = (seen.pictures.shape[-2], seen.pictures.shape[-1])
    maps = resize_disparity(disparity(seen.pictures.float() / 255)[:, :1], size)[:, 0]
    ratios = [  # of the network's depth to that of the points
        inverse_depth / sample(answer, pixels)
        for answer, pixels, inverse_depth in zip(maps, seen.pixels, seen.inverse_depth, strict=True)
    ]
    scales = torch.stack([ratio.nanmedian() for ratio in ratios])  # NaN of a source that shows none
    error = (ratios[0] / scales[0] - 1).abs().clamp(max=WORST).mean()
    return float(error), float((scales[1:] / scales[0]).log().abs().nanmean())
