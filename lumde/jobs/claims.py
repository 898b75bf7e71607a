"""What a study may claim of a row: a limit that it keeps, and how far the measured worlds are from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from lumde.metrics.paired import Contrast, contrast

PerWorld = Float[np.ndarray, "seeds worlds"]
Measured = Callable[[str, str], PerWorld]  # row, measure -> its mean of each world under each seed
SURE = 0.05  # p-value of a gap below which a share of it means something
HALVINGS = 20  # of the search for the ends of a share's interval
WIDEST = 4.0  # shares of the gap beyond which an end is not looked for


@dataclass(frozen=True)
class Found:
    """A claim as measured: what is limited, with its interval, and by how much it is beyond the limit."""

    found: float | None
    low: float | None
    high: float | None
    limit: float
    beyond: Contrast | None  # negative = the claim holds; None = it means nothing here


@dataclass(kw_only=True)
class _ClaimConfig:
    """A row, and the one that it is held against."""

    row: str
    reference: str

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows that it speaks of."""
        return self.row, self.reference


@dataclass(kw_only=True)
class KeepsConfig(_ClaimConfig):
    """The claim that a row loses no more than so much of another's a1."""

    says: ClassVar[str] = "a1 lost, at most"
    loss: float = 0.01  # share of the reference's a1

    def __post_init__(self) -> None:
        """Refuse a claim that cannot fail or hold."""
        if not 0 < self.loss < 1:
            raise ValueError("loss: a share between 0 and 1")

    def measure(self, of: Measured) -> Found:
        """Share of the reference's a1 that is lost."""
        row, reference = of(self.row, "a1"), of(self.reference, "a1")
        row, reference = -row / reference.mean(), -reference / reference.mean()
        lost = contrast(row, reference)
        return Found(lost.mean, lost.low, lost.high, self.loss, contrast(row, reference + self.loss))


@dataclass(kw_only=True)
class WithinConfig(_ClaimConfig):
    """The claim that a row errs no more than so much more than another."""

    says: ClassVar[str] = "excess error, at most"
    excess: float = 0.15  # share of the reference's error

    def __post_init__(self) -> None:
        """Refuse a claim that cannot hold."""
        if self.excess <= 0:
            raise ValueError("excess: a share above 0; a contrast tells whether a row errs less")

    def measure(self, of: Measured) -> Found:
        """Error beyond the reference's, as a share of it."""
        row, reference = of(self.row, "log_abs_rel"), of(self.reference, "log_abs_rel")
        mean, low, high = (ratio - 1 for ratio in contrast(row, reference).ratio)
        return Found(mean, low, high, self.excess, contrast(row, reference + float(np.log1p(self.excess))))


@dataclass(kw_only=True)
class ClosesConfig(_ClaimConfig):
    """The claim that a row closes no less than so much of the gap between two others, in log error."""

    says: ClassVar[str] = "gap closed, at least"
    start: str  # e.g. the undistilled student; the reference is its teacher then
    share: float = 0.8

    def __post_init__(self) -> None:
        """Refuse a claim that says nothing."""
        if not 0 < self.share <= 1:
            raise ValueError("share: above 0, at most 1")

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows that it speaks of."""
        return self.row, self.start, self.reference

    def measure(self, of: Measured) -> Found:
        """Share of the gap that is closed; the interval holds what the worlds do not speak against.

        Source: Fieller 1954, "Some problems in interval estimation", for an interval of a ratio by tests.
        """
        row, start, reference = (of(name, "log_abs_rel") for name in self.rows)

        def beyond(share: float) -> Contrast:
            return contrast(row, share * reference + (1 - share) * start)

        gap = contrast(reference, start)
        if gap.mean >= 0 or gap.p >= SURE:
            return Found(None, None, None, self.share, None)
        closed = float((row - start).mean() / gap.mean)
        low = _edge(lambda share: beyond(share).high > 0, closed, -WIDEST)
        high = _edge(lambda share: beyond(share).low < 0, closed, WIDEST)
        return Found(closed, low, high, self.share, beyond(self.share))


def _edge(inside: Callable[[float], bool], middle: float, reach: float) -> float | None:
    """How far from the middle `inside` holds, at most `reach`; None where it holds everywhere."""
    if inside(middle + reach):
        return None
    near, far = 0.0, reach
    for _ in range(HALVINGS):
        half = (near + far) / 2
        near, far = (half, far) if inside(middle + half) else (near, half)
    return middle + near


Claim = KeepsConfig | WithinConfig | ClosesConfig
KINDS: dict[str, type[Any]] = {"keeps": KeepsConfig, "within": WithinConfig, "closes": ClosesConfig}
