import numpy as np
import pytest

from lumde.metrics.paired import contrast, holm, t_cdf, t_quantile


def rows(gain: float, seeds: int = 6, worlds: int = 32, noise: float = 0.05, number: int = 0):
    """Worlds differ by far more than rows do; the reference shares them."""
    random = np.random.default_rng(number)
    hard = random.normal(-1.5, 0.5, worlds)
    reference = hard + random.normal(0, noise, (seeds, worlds))
    return hard + gain + random.normal(0, noise, (seeds, worlds)), reference


def test_a_gain_much_smaller_than_the_spread_of_worlds_is_seen():
    found = contrast(*rows(-0.05))
    assert found.low < found.mean < found.high < 0 and found.p < 0.01
    assert found.ratio[0] == pytest.approx(np.exp(-0.05), abs=0.02)


@pytest.mark.parametrize(
    ("seeds", "worlds", "by_seed", "by_world"),
    [
        (5, 32, 0.03, 0.0),
        (8, 32, 0.03, 0.0),
        (5, 1, 0.03, 0.0),
        (5, 32, 0.0, 0.1),
        (5, 32, 0.03, 0.1),
        (5, 2, 0.0, 0.1),
        (8, 3, 0.0, 0.1),
    ],
)
def test_no_gain_is_not_claimed_more_often_than_stated(seeds, worlds, by_seed, by_world):
    """Rows differ by seed as a whole, by world whatever the seed, and at random."""
    claims = 0
    for number in range(200):
        random = np.random.default_rng(number)
        row = random.normal(0, 0.05, (seeds, worlds)) + by_seed * random.normal(0, 1, (seeds, 1))
        row += by_world * random.normal(0, 1, (1, worlds))
        claims += contrast(row, np.zeros((seeds, worlds))).p < 0.05
    assert claims <= 18  # 10 expected


@pytest.mark.parametrize(
    ("freedom", "at_975", "at_995"),  # published tables
    [(1, 12.706, 63.657), (2, 4.303, 9.925), (4, 2.776, 4.604), (7, 2.365, 3.499), (31, 2.040, 2.744)],
)
def test_the_t_distribution_is_the_published_one(freedom, at_975, at_995):
    assert t_quantile(0.975, freedom) == pytest.approx(at_975, abs=1e-3)
    assert t_quantile(0.995, freedom) == pytest.approx(at_995, abs=1e-3)
    assert t_cdf(at_975, freedom) == pytest.approx(0.975, abs=1e-4) and t_cdf(0.0, freedom) == 0.5


def test_one_seed_on_one_world_tells_nothing():
    found = contrast(np.array([[0.5]]), np.array([[0.1]]))
    assert found.low == found.high and found.p == 1


def test_a_difference_between_seeds_alone_widens_the_interval():
    row, reference = rows(0.0, noise=0.01)
    narrow = contrast(row, reference)
    wide = contrast(row + np.array([-0.3, 0.3, -0.2, 0.2, -0.1, 0.1])[:, None], reference)
    assert wide.high - wide.low > 4 * (narrow.high - narrow.low)


def test_the_same_draws_each_time():
    assert contrast(*rows(0.01)) == contrast(*rows(0.01))


def test_equal_rows_differ_by_nothing():
    row, _ = rows(0.0)
    found = contrast(row, row)
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


@pytest.mark.parametrize("shift", [0.01, 0.05, -0.25, float(np.log1p(0.15))])
def test_a_shift_without_any_spread_is_certain(shift):
    """As where a row that is a copy of another one is held against a limit."""
    row, _ = rows(0.0, seeds=5)
    found = contrast(row, row + shift)
    assert found.mean == pytest.approx(-shift) and found.p == 0
    assert found.low == found.mean == found.high


def test_holm_by_hand():
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.5})
    assert adjusted == pytest.approx({"a": 0.04, "c": 0.09, "b": 0.09, "d": 0.5})
    assert list(adjusted) == ["a", "b", "c", "d"]


def test_an_interval_by_hand():
    """Three seeds on one world: t of 2 degrees of freedom times the standard error of their mean."""
    differences = np.array([[0.0], [0.1], [0.3]])
    found = contrast(differences, np.zeros((3, 1)))
    reach = 4.303 * differences.std(ddof=1) / np.sqrt(3)
    assert found.mean == pytest.approx(0.4 / 3) and found.high - found.mean == pytest.approx(reach, rel=0.06)
