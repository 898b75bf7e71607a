"""Paired comparisons over seeds and worlds: intervals by a two-level bootstrap, many contrasts by Holm."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

DRAWS = 4000
LEVEL = 0.95


@dataclass(frozen=True)
class Contrast:
    """How much a row differs from another one; negative = it errs less."""

    mean: float  # mean difference of the log errors
    low: float  # ends of the interval
    high: float
    p: float  # two-sided

    @property
    def ratio(self) -> tuple[float, float, float]:
        """Factor between the errors and its interval."""
        mean, low, high = np.exp([self.mean, self.low, self.high])
        return float(mean), float(low), float(high)


def contrast(
    row: Float[np.ndarray, "seeds worlds"], reference: Float[np.ndarray, "seeds worlds"], seed: int = 0
) -> Contrast:
    """Compare two rows that share seeds (with their teachers) and test worlds.

    Seeds are drawn with replacement, then worlds, the same ones for all seeds of a draw: frames are no
    independent samples, worlds and seeds are. The p-value is twice the share of draws on the other side of 0.

    Args:
        row: mean log error of each world under each seed.
        reference: likewise.
        seed: of the draws.

    Source: Davison and Hinkley 1997, "Bootstrap Methods and their Application", for nested resampling; that
    worlds are drawn across seeds is ours.
    """
    differences = row - reference
    seeds, worlds = differences.shape
    random = np.random.default_rng(seed)
    chosen_seeds = random.integers(seeds, size=(DRAWS, seeds))
    chosen_worlds = random.integers(worlds, size=(DRAWS, worlds))
    means = np.array(
        [
            differences[np.ix_(some, others)].mean()
            for some, others in zip(chosen_seeds, chosen_worlds, strict=True)
        ]
    )
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    crossed = min(int((means >= 0).sum()), int((means <= 0).sum()))
    return Contrast(
        float(differences.mean()), float(low), float(high), min(1.0, 2 * (crossed + 1) / (DRAWS + 1))
    )


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjust p-values for having looked at all of them.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    adjusted: dict[str, float] = {}
    largest = 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}
