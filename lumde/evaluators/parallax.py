"""What a clip tells of a network without ground truth: how the camera moved, how well depth explains it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lumde.data.snippets import Snippets
from lumde.geometry.alignment import find_motion, motion_distance
from lumde.geometry.warp import warp
from lumde.losses.photometric import reprojection_error

Disparity = Callable[[Float[Tensor, "b 3 h w"]], Float[Tensor, "b 1 h w"]]
MOST = 32  # snippets that are looked at, evenly spread


@dataclass(frozen=True)
class ClipScore:
    """Means over snippets."""

    error: (
        float  # photometric error, 0..1, of the better source at each pixel that is seen; smaller is better
    )
    unmoved: float  # the same between pictures as they are: what a depth has to beat
    parallax: float  # pixels, along an axis, by which the camera's travel alone moves what is seen
    count: int  # snippets


@torch.inference_mode()
def score_clip(disparity: Disparity, snippets: Snippets, most: int = MOST) -> ClipScore:
    """Warp neighbours onto frames by the depth given and the motion that fits it best.

    Motion is found by direct alignment for every network anew, so that networks of any scale can be compared.
    An untrue depth may explain a clip too (a still camera fits all of them), so look at `parallax` first.

    Source: the error is that of Godard et al. 2019, arXiv:1806.01260 (eq. 1-2, 4); the score is ours.
    """
    chosen = np.unique(np.linspace(0, len(snippets) - 1, min(most, len(snippets))).round().astype(int))
    scores = np.array([_score(disparity, snippets[int(index)]) for index in chosen])
    error, unmoved, parallax = np.nanmean(scores, 0)
    return ClipScore(float(error), float(unmoved), float(parallax), len(chosen))


def _score(disparity: Disparity, sample: dict[str, Tensor]) -> tuple[float, float, float]:
    """Error, error of the unmoved sources, and parallax of one snippet."""
    sources = sample["sources"].float() / 255
    count = len(sources)
    target = (sample["image"].float() / 255).expand(count, -1, -1, -1)
    intrinsics = sample["intrinsics"].expand(count, 3, 3)
    depth = (1 / disparity(target[:1])).expand(count, -1, -1, -1)
    valid = sample["mask"][None].expand(count, -1, -1, -1) if "mask" in sample else None
    motion = find_motion(target, sources, depth, intrinsics, valid)
    turned = motion.clone()
    turned[:, :3, 3] = 0
    parallax = motion_distance(motion, turned, depth, intrinsics) * depth.shape[-1]
    warped = warp(sources, depth, motion, intrinsics)
    seen = warped.inside if valid is None else warped.inside & valid
    errors = torch.where(seen, reprojection_error(warped.image, target), torch.inf).amin(0)
    still = torch.where(seen, reprojection_error(sources, target), torch.inf).amin(0)
    used = errors.isfinite()
    return float(errors[used].mean()), float(still[used].mean()), float(parallax)
