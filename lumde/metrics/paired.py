"""Paired comparisons over seeds and worlds: intervals by a two-level bootstrap, many contrasts by Holm."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float

Key = TypeVar("Key", bound=Hashable)
DRAWS = 2000
LEVEL = 0.95
NO_SPREAD = 1e-9  # of a mean: what adding up may cost


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
    independent samples, worlds and seeds are. Few seeds tell little of how far seeds lie apart, so the draws'
    spread is taken for that of a t-distribution: percentiles of the draws would claim up to three times too
    often at five seeds.

    Args:
        row: mean log error of each world under each seed.
        reference: likewise.
        seed: of the draws.

    Source: Davison and Hinkley 1997, "Bootstrap Methods and their Application", for nested resampling; that
    worlds are drawn across seeds, and the degrees of freedom, are ours.
    """
    differences = row - reference
    seeds, worlds = differences.shape
    random = np.random.default_rng(seed)
    chosen_seeds = random.integers(seeds, size=(DRAWS, seeds))
    chosen_worlds = random.integers(worlds, size=(DRAWS, worlds))
    means = [
        differences[np.ix_(some, others)].mean()
        for some, others in zip(chosen_seeds, chosen_worlds, strict=True)
    ]
    mean, error = float(differences.mean()), float(np.std(means))
    freedom = _freedom(differences)
    if not freedom:  # nothing is known of the spread
        return Contrast(mean, mean, mean, 1.0)
    if error <= NO_SPREAD * abs(mean):  # there is none, but for rounding: the difference is what it is
        return Contrast(mean, mean, mean, 0.0 if mean else 1.0)
    error *= math.sqrt((freedom + 1) / freedom)  # a bootstrap of few sees too little spread
    reach = t_quantile((1 + LEVEL) / 2, freedom) * error
    return Contrast(mean, mean - reach, mean + reach, 2 * (1 - t_cdf(abs(mean) / error, freedom)))


def _freedom(differences: Float[np.ndarray, "seeds worlds"]) -> int:
    """Degrees of freedom of the mean's error: few if seeds differ as a whole, more if it is worlds that do.

    Source: Satterthwaite 1946, "An approximate distribution of estimates of variance components", for seeds
    crossed with worlds; 0 = a single number.
    """
    seeds, worlds = differences.shape
    if 1 in (seeds, worlds):
        return max(seeds, worlds) - 1
    by_seed, by_world = differences.mean(1, keepdims=True), differences.mean(0, keepdims=True)
    rest = differences - by_seed - by_world + differences.mean()
    counts = seeds - 1, worlds - 1, (seeds - 1) * (worlds - 1)
    squares = worlds * by_seed.var(ddof=1), seeds * by_world.var(ddof=1), (rest**2).sum() / counts[2]
    total = max(squares[0] + squares[1] - squares[2], squares[2])
    below = sum(square**2 / count for square, count in zip(squares, counts, strict=True))
    least = min(seeds, worlds) - 1
    return int(np.clip(total**2 / below, least, counts[2])) if below else least


def t_cdf(value: float, freedom: int) -> float:
    """Share of Student's t-distribution below `value` >= 0.

    Source: Abramowitz and Stegun 1964, 26.7.3 (odd degrees of freedom) and 26.7.4 (even ones).
    """
    angle = math.atan(value / math.sqrt(freedom))
    exponent = freedom % 2
    term, total = math.cos(angle) ** exponent, 0.0
    while exponent <= freedom - 2:
        total += term
        term *= math.cos(angle) ** 2 * (exponent + 1) / (exponent + 2)
        exponent += 2
    inside = math.sin(angle) * total
    return 0.5 + (0.5 * inside if freedom % 2 == 0 else (angle + inside) / math.pi)


def t_quantile(share: float, freedom: int) -> float:
    """The value below which a share (.5 to .999) of the t-distribution lies."""
    low, high = 0.0, 1e3
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, freedom) < share else (low, middle)
    return high


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Adjust p-values for having looked at all of them.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    adjusted: dict[Key, float] = {}
    largest = 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}
