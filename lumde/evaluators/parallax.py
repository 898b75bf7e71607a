"""What a clip tells of a network without ground truth: how the camera moved, how well depth explains it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.data.snippets import Snippets
from lumde.errors import DataError, NothingUsable
from lumde.geometry.alignment import find_motion, motion_distance
from lumde.geometry.warp import warp
from lumde.losses.masked import surrounded, unmasked
from lumde.losses.photometric import reprojection_error
from lumde.models import resize_disparity

Disparity = Callable[[Float[Tensor, "b 3 h w"]], Float[Tensor, "b 1 h w"]]
MOST = 32  # snippets that are looked at, evenly spread
DISTANCES = (1, 2, 3, 5, 8)  # frames between target and source that are tried, the nearest first
ENOUGH_PARALLAX = 1.5  # pixels: at such a distance the nearest sources are taken
LEAST_PARALLAX = 0.5  # pixels: with less the camera stands, and depth cannot be seen
LEAST_TRAVEL = 0.04  # of the error of a camera that turns only, taken away by letting it travel
NO_ERROR = 1e-4  # photometric; of pictures that are the same but for rounding
# A camera that only turns, seen through a focal length that was guessed wrong, seems to travel.
FOCAL_FACTORS = tuple(1.8 ** (i / 5) for i in range(-5, 6))


@dataclass(frozen=True)
class ClipScore:
    """Means over snippets; errors are photometric, 0..1, of the better source at each pixel that is seen."""

    error: float  # with the network's depth; smaller is better
    flat: float  # with one depth everywhere
    turned: float  # if the camera only turned: what is less is the work of depth and travel
    unmoved: float  # between pictures as they are
    parallax: float  # pixels, per axis, by which the camera's travel alone moves what is seen
    count: int  # snippets

    @property
    def travel(self) -> float:
        """Share of a turning camera's error that travel explains, at the network's depth or a flat one."""
        return (self.turned - min(self.error, self.flat)) / max(self.turned, NO_ERROR)

    @property
    def travels(self) -> bool:
        """Whether the camera moves enough for depth to show."""
        return self.travel >= LEAST_TRAVEL and self.parallax >= LEAST_PARALLAX

    @property
    def beats_flat(self) -> bool:
        """Whether the network's depth explains the frames better than one depth everywhere."""
        return self.error < self.flat


def survey(
    disparity: Disparity, snippets_at: Callable[[int], Snippets], most: int = MOST
) -> tuple[int, ClipScore]:
    """Score a clip at the nearest distance between frames with enough parallax, else the most telling one.

    Args:
        disparity: the network.
        snippets_at: the clip with sources that many frames before and after; may raise NothingUsable where
            the clip is too short for that, or so slow that frames that near hardly differ.
        most: snippets that are looked at.

    Raises:
        NothingUsable: at any distance; what was wrong with the first.
        DataError: frames that cannot be read.
    """
    found: dict[int, ClipScore] = {}
    reasons: list[NothingUsable] = []
    for distance in DISTANCES:
        try:
            snippets = snippets_at(distance)
        except NothingUsable as error:
            reasons.append(error)
            continue
        score = found[distance] = score_clip(disparity, snippets, most)
        if score.travels and score.parallax >= ENOUGH_PARALLAX:
            return distance, score
    if not found:
        raise reasons[0]
    best = max(found, key=lambda distance: (found[distance].travels, found[distance].travel))
    return best, found[best]


@torch.inference_mode()
def score_clip(disparity: Disparity, snippets: Snippets, most: int = MOST) -> ClipScore:
    """Warp neighbours onto frames by the depth given and the motion that fits it best.

    Motion is found by direct alignment for every network anew, so that networks of any scale can be compared.
    An untrue depth may explain a clip too (a camera that stands or turns fits all of them), so look first at
    `travel` and `parallax`.

    Source: the error is that of Godard et al. 2019, arXiv:1806.01260 (eq. 1-2, 4); the score is ours.
    """
    scores = np.array([_score(disparity, sample) for sample in evenly(snippets, most)])
    error, flat, turned, unmoved, parallax = np.nanmean(scores, 0).tolist()
    return ClipScore(error, flat, turned, unmoved, parallax, len(scores))


@torch.inference_mode()
def clip_error(disparity: Disparity, snippets: Snippets, most: int = MOST) -> float:
    """`ClipScore.error` alone, for choosing between networks on one clip."""
    views = (view_of(sample) for sample in evenly(snippets, most))
    return float(np.nanmean([_explained(disparity, view)[0] for view in views]))


def evenly(snippets: Snippets, most: int) -> Iterator[dict[str, Tensor]]:
    """At most so many snippets, spread over all of them; what cannot be read is left out.

    Raises:
        DataError: too much cannot be read, or nothing of it can.
    """
    read = 0
    for index in np.linspace(0, len(snippets) - 1, min(most, len(snippets))).round().astype(int):
        try:
            sample = snippets[int(index)]
        except DataError as error:
            snippets.damage.note(str(error))
            continue
        read += 1
        yield sample
    if not read:
        raise DataError(snippets.damage.problems[0])


def _score(disparity: Disparity, sample: dict[str, Tensor]) -> tuple[float, float, float, float, float]:
    """The five numbers of one snippet."""
    view = view_of(sample)
    explained = [_explained(disparity, view), _explained(torch.ones_like, view)]
    still = torch.eye(4).expand(len(view.sources), 4, 4)
    unmoved = view_error(view, torch.ones_like(view.target[:, :1]), still)
    return explained[0][0], explained[1][0], turned_error(view), unmoved, min(explained)[1]


def _explained(disparity: Disparity, view: "SnippetView") -> tuple[float, float]:
    """Error and parallax at the motion that suits a depth best; a flat disparity is one for all pixels."""
    size = (view.target.shape[-2], view.target.shape[-1])
    depth = (1 / resize_disparity(disparity(view.target[:1])[:, :1], size)).expand(
        len(view.sources), -1, -1, -1
    )
    motion = find_motion(view.target, view.sources, depth, view.intrinsics, view.valid)
    turned_back = motion.clone()
    turned_back[:, :3, 3] = 0
    apart = motion_distance(motion, turned_back, depth, view.intrinsics, valid=view.valid)
    parallax = apart * depth.shape[-1]
    return view_error(view, depth, motion), float(parallax)


class SnippetView(NamedTuple):
    """A target, once per source."""

    target: Float[Tensor, "n 3 h w"]
    sources: Float[Tensor, "n 3 h w"]
    intrinsics: Float[Tensor, "n 3 3"]
    valid: Bool[Tensor, "n 1 h w"] | None  # of the target; None = all
    clear: Bool[Tensor, "n 1 h w"] | None = None  # of the sources

    def only(self, some: Bool[Tensor, " n"]) -> "SnippetView":
        """Some of its sources."""
        valid, clear = (None if mask is None else mask[some] for mask in (self.valid, self.clear))
        return SnippetView(self.target[some], self.sources[some], self.intrinsics[some], valid, clear)


def view_of(sample: dict[str, Tensor]) -> SnippetView:
    """A snippet's pictures in [0, 1], the target beside each source."""
    sources = sample["sources"].float() / 255
    count = len(sources)
    target = (sample["image"].float() / 255).expand(count, -1, -1, -1)
    intrinsics = sample["intrinsics"].expand(count, 3, 3)
    if "mask" not in sample:
        return SnippetView(target, sources, intrinsics, None)
    valid = surrounded(sample["mask"][None]).expand(count, -1, -1, -1)
    return SnippetView(target, sources, intrinsics, valid, surrounded(sample["source_masks"][:, None]))


def turned_error(view: SnippetView, unseen: Float[Tensor, "1 h w"] | None = None) -> float:
    """Error if the camera only turned, at the focal length of FOCAL_FACTORS that suits it best.

    Arguments as in `view_error`.
    """
    depth = torch.ones_like(view.target[:, :1])  # any: without travel depth changes nothing
    seen = [view._replace(intrinsics=_zoomed(view.intrinsics, factor)) for factor in FOCAL_FACTORS]
    count = len(seen)
    valid = None if view.valid is None else view.valid.repeat(count, 1, 1, 1)
    turning = find_motion(
        view.target.repeat(count, 1, 1, 1),
        view.sources.repeat(count, 1, 1, 1),
        depth.repeat(count, 1, 1, 1),
        torch.cat([one.intrinsics for one in seen]),
        valid,
        turning_only=True,
    )
    return min(
        view_error(one, depth, motion, unseen) for one, motion in zip(seen, turning.chunk(count), strict=True)
    )


def _zoomed(intrinsics: Float[Tensor, "n 3 3"], factor: float) -> Float[Tensor, "n 3 3"]:
    """A lens of that many times the focal length."""
    zoomed = intrinsics.clone()
    zoomed[:, (0, 1), (0, 1)] *= factor
    return zoomed


def view_error(
    view: SnippetView,
    depth: Float[Tensor, "_ 1 h w"],
    motion: Float[Tensor, "n 4 4"],
    unseen: Float[Tensor, "1 h w"] | None = None,
) -> float:
    """Mean error of the better source over the pixels that any source sees.

    Args:
        view: target and sources.
        depth: of the target, one map or one per source.
        motion: source_from_target.
        unseen: errors that pixels count with which no source sees, such as `unmoved_errors`: a depth that
            moves what is hard to match out of view must not look better for it. None = they do not count.
    """
    warped = warp(view.sources, depth.expand(len(view.sources), -1, -1, -1), motion, view.intrinsics)
    seen = warped.inside if view.clear is None else warped.inside & unmasked(view.clear, warped.grid)
    errors = _better(view, warped.image, seen)
    if unseen is not None:
        errors = torch.where(errors.isfinite(), errors, unseen)
    return float(errors[errors.isfinite()].mean())


def unmoved_errors(view: SnippetView) -> Float[Tensor, "1 h w"]:
    """Error at each pixel between the pictures as they are; infinite where a mask leaves it out."""
    seen = torch.ones_like(view.sources[:, :1], dtype=torch.bool) if view.clear is None else view.clear
    return _better(view, view.sources, seen)


def _better(
    view: SnippetView, images: Float[Tensor, "n 3 h w"], seen: Bool[Tensor, "n 1 h w"]
) -> Float[Tensor, "1 h w"]:
    """Error of the better picture at each pixel; infinite where none is seen."""
    seen = seen if view.valid is None else seen & view.valid
    return torch.where(seen, reprojection_error(images, view.target), torch.inf).amin(0)
