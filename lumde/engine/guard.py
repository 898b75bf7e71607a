"""Keeps bad numbers out of weights, moments and BatchNorm statistics.

A skipped optimiser step alone does not protect BatchNorm: one NaN pixel poisons its statistics in the forward
pass. So inputs are checked before it, and buffers are put back when a step is thrown away.
"""

import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn

from lumde.structures import FrameBatch

MAX_IN_A_ROW = 25  # then the weights themselves are suspect: rewind
MAX_SHARE, RECENT = 0.01, 1000  # or when more than this share of the recent steps was thrown away
WINDOW = 200  # finite losses a spike is judged against
SPIKE_FACTOR = 10.0  # a loss this many times the running median is not learned from


@dataclass
class Guard:
    """Counts what was thrown away and decides when that is too much."""

    bad_batches: int = 0
    bad_steps: int = 0
    spikes: int = 0
    in_a_row: int = 0
    rewinds: int = 0
    last_reason: str = ""
    # By the terms that they sum: other terms are another loss, and a critic may speak every few steps only.
    losses: dict[tuple[str, ...], deque[float]] = field(default_factory=dict)
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=RECENT))  # True = thrown away

    def note_bad(self, reason: str) -> None:
        """Count a thrown-away step."""
        self.last_reason = reason
        self.in_a_row += 1
        self.recent.append(True)
        if reason.startswith("batch"):
            self.bad_batches += 1
        elif reason.startswith("spike"):
            self.spikes += 1
        else:
            self.bad_steps += 1

    def note_good(self, loss: float, terms: tuple[str, ...] = ()) -> None:
        """Count a step that was taken, with the loss that these terms sum to."""
        self.in_a_row = 0
        self.recent.append(False)
        self.losses.setdefault(terms, deque(maxlen=WINDOW)).append(loss)

    def is_spike(self, loss: float, terms: tuple[str, ...] = ()) -> bool:
        """Tell whether a finite loss is far outside what the same terms summed to lately."""
        losses = self.losses.get(terms, ())
        if len(losses) < WINDOW // 2:
            return False
        middle = statistics.median(losses)
        spread = statistics.median(abs(value - middle) for value in losses)
        return abs(loss - middle) > max(SPIKE_FACTOR * abs(middle), 50 * spread)

    @property
    def lost(self) -> bool:
        """True when skipping no longer helps."""
        often = len(self.recent) == RECENT and sum(self.recent) > MAX_SHARE * RECENT
        return self.in_a_row >= MAX_IN_A_ROW or often

    def counts(self) -> dict[str, int]:
        """What was skipped so far, for logs and results."""
        return {
            "bad_batches": self.bad_batches,
            "bad_steps": self.bad_steps,
            "spikes": self.spikes,
            "rewinds": self.rewinds,
        }

    def state(self) -> dict[str, Any]:
        """All that later decisions stand on, as plain values."""
        losses = [[list(terms), list(values)] for terms, values in self.losses.items()]
        recent = [int(bad) for bad in self.recent]
        memory = {"in_a_row": self.in_a_row, "last_reason": self.last_reason, "recent": recent}
        return {**self.counts(), **memory, "losses": losses}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> "Guard":
        """The guard that answered `state`."""
        guard = cls(**{name: value for name, value in state.items() if name not in ("losses", "recent")})
        guard.recent.extend(map(bool, state.get("recent", ())))
        for terms, values in state.get("losses", ()):
            guard.losses[tuple(terms)] = deque(values, maxlen=WINDOW)
        return guard


def bad_field(batch: FrameBatch) -> str | None:
    """Name the first field of a batch that holds a non-finite number, None when all are sound."""
    for f in fields(batch):
        if f.name == "source_from_target":
            continue  # NaN where a pose is unknown beside a stereo baseline; the warp masks and counts it
        value = getattr(batch, f.name)
        if isinstance(value, Tensor) and value.is_floating_point() and not torch.isfinite(value).all():
            return f.name
    return None


def copy_buffers(module: nn.Module) -> list[Tensor]:
    """Copy every buffer (BatchNorm statistics) to be put back by `restore_buffers`."""
    return [buffer.detach().clone() for buffer in module.buffers()]


def restore_buffers(module: nn.Module, copies: list[Tensor]) -> None:
    """Undo what forward passes did to the buffers since `copy_buffers`."""
    with torch.no_grad():
        for buffer, copy in zip(module.buffers(), copies, strict=True):
            buffer.copy_(copy)
