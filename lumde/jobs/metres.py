"""Metres for a network that knows shapes only: the recorded motion of the camera sets its scale."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from lumde.data.snippets import Snippets
from lumde.errors import DataError
from lumde.evaluators.parallax import (
    Disparity,
    SnippetView,
    evenly,
    turned_error,
    unmoved_errors,
    view_error,
    view_of,
)

MOST = 24  # snippets that are looked at
TRIED = np.geomspace(0.02, 50, 41)  # factors, a quarter apart
FINER = 9  # factors between two of them
LEAST_SHARE = 0.25  # of the error that recorded turning leaves, taken away by recorded travel at its scale
FEW = 16  # snippets from which on a jump is looked for in more than the middle
WORST_JUMP = 1.5  # between the scales of a clip's two parts
WORST_LOSS = 0.05  # of a part's least error, at the scale of the whole clip


class UnfitMotion(DataError):
    """The recorded motion is not that of the pictures."""


@torch.inference_mode()
def scale_to_metres(disparity: Disparity, snippets: Snippets) -> float:
    """Factor that brings a network's depth to metres: there the recorded motion explains the clip best.

    Args:
        disparity: the network, on the CPU.
        snippets: with `sources` and recorded `pose`, or a stereo partner.

    Raises:
        UnfitMotion: the recorded motion is not that of the pictures, or changes its scale within the clip.
    """
    recorded = (_recorded(sample, disparity) for sample in evenly(snippets, MOST))
    looks = [look for look in recorded if look.view.valid is None or look.view.valid.any()]
    if not looks:
        raise UnfitMotion("masks leave nothing of the frames to find their scale by")
    curves = np.array([_curve(look, TRIED) for look in looks])
    _check(curves, float(np.mean([turned_error(look.view, look.unseen) for look in looks])))
    best = int(curves.mean(0).argmin())
    finer = TRIED[best] * np.geomspace(TRIED[0] / TRIED[1], TRIED[1] / TRIED[0], FINER)
    fine = np.mean([_curve(look, finer) for look in looks], 0)
    return float(finer[fine.argmin()])


class _Look(NamedTuple):
    """A snippet's sources whose motion was recorded."""

    view: SnippetView
    motion: Float[torch.Tensor, "n 4 4"]  # source_from_target
    depth: Float[torch.Tensor, "1 1 h w"]  # of the target, as the network answers it
    unseen: Float[torch.Tensor, "1 h w"]  # error of what no source sees


def _recorded(sample: dict[str, torch.Tensor], disparity: Disparity) -> _Look:
    view, motion = view_of(sample), sample["source_from_target"]
    known = motion.isfinite().all(-1).all(-1)
    kept = view.only(known)
    return _Look(kept, motion[known], 1 / disparity(kept.target[:1]), unmoved_errors(kept))


def _curve(look: _Look, factors: Float[np.ndarray, " k"]) -> list[float]:
    """Photometric error at each factor of the depth, over all pixels."""
    return [view_error(look.view, float(f) * look.depth, look.motion, look.unseen) for f in factors]


def _check(curves: Float[np.ndarray, "n k"], turned: float) -> None:
    """Refuse motion that is not that of the pictures, and clips whose parts want different scales.

    A camera that only turns, found by alignment, may explain flat scenes better than an imperfect depth and
    the true motion do; but then travel still takes half of the error that recorded turning leaves, and of
    other clips' motion, of swapped or unsynchronised cameras, a tenth at most (docs/results.md).
    """
    pooled = curves.mean(0)
    best = int(pooled.argmin())
    if best in (0, len(TRIED) - 1):
        raise UnfitMotion(
            f"recorded poses or baseline do not fit the frames: no scale from {TRIED[0]:g} to {TRIED[-1]:g} "
            "explains the pictures; are they in metres, the poses world_from_camera and in the order of the "
            "frames?"
        )
    hardly_any_travel = pooled[-1]  # at the longest depths
    if pooled[best] >= turned and pooled[best] > (1 - LEAST_SHARE) * hardly_any_travel:
        raise UnfitMotion(
            "recorded poses or baseline do not fit the frames: a camera that only turns explains them "
            f"better (error {turned:.4f}, with them {pooled[best]:.4f}); are the pose file, its order and "
            "its axes (world_from_camera) right, and which pictures are the right camera's?"
        )
    if (jump := _worst_jump(curves)) > WORST_JUMP:
        raise UnfitMotion(
            f"recorded poses: their scale changes by a factor of {jump:.1f} within the clip; cut it where "
            "tracking was lost"
        )


def _worst_jump(curves: Float[np.ndarray, "n k"]) -> float:
    """Largest factor between the scales on both sides of any snippet, of those that a part suffers from.

    A network's own scale wanders from view to view, recorded motion that lost track jumps at once: scales of
    a few neighbours must differ as those of all that is before and all that comes after do.
    """
    count, best = len(curves), int(curves.mean(0).argmin())
    # Single snippets err: of few, only halves are compared.
    shortest, few = (count // 4, count // 8) if count >= FEW else (max(1, count // 2), count)
    worst = 1.0
    for end in range(shortest, count - shortest + 1):
        parts = [curves[:end].mean(0), curves[end:].mean(0)]
        near = [curves[max(0, end - few) : end].mean(0), curves[end : end + few].mean(0)]
        # Of a part without travel every scale is as good: only one that suffers under the common one speaks.
        if any(part[best] > (1 + WORST_LOSS) * part.min() for part in parts):
            worst = max(worst, min(_factor(*parts), _factor(*near)))
    return worst


def _factor(one: Float[np.ndarray, " k"], other: Float[np.ndarray, " k"]) -> float:
    """By how much the scales differ that two curves are least at."""
    picked = int(one.argmin()), int(other.argmin())
    return float(TRIED[max(picked)] / TRIED[min(picked)])
