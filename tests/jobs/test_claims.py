"""Claims: hand-computed numbers, who holds and who does not, and what cannot be claimed."""

import math

import numpy as np
import pytest

from lumde.jobs.claims import ClosesConfig, KeepsConfig, WithinConfig

SEEDS, WORLDS = 6, 12


def measured(**levels: tuple[float, float]):
    """Rows by name: mean log error and a1; seeds and worlds lie apart, each row a little differently."""
    rows = {}
    for number, (name, (error, a1)) in enumerate(levels.items()):
        random = np.random.default_rng(number)
        shared = np.linspace(-0.3, 0.3, WORLDS)[None]
        noise = 0.01 * random.standard_normal((SEEDS, WORLDS))
        noise -= noise.mean()
        rows[name] = {"log_abs_rel": error + shared + noise, "a1": a1 - 0.2 * shared - noise}
    return lambda row, measure: rows[row][measure]


@pytest.mark.parametrize(("lost", "sign"), [(0.01, -1), (0.2, 1)])
def test_lost_a1_is_a_share_of_the_reference(lost, sign):
    of = measured(student=(0.0, 0.8 * (1 - lost)), teacher=(0.0, 0.8))
    claim = KeepsConfig(row="student", reference="teacher", loss=0.05).measure(of)
    assert claim.found == pytest.approx(lost) and claim.low < lost < claim.high
    assert claim.beyond.mean == pytest.approx(lost - 0.05)
    assert np.sign(claim.beyond.mean) == sign and claim.beyond.p < 0.01


@pytest.mark.parametrize(("more", "holds"), [(0.05, True), (0.3, False)])
def test_an_excess_is_a_share_of_the_error(more, holds):
    of = measured(row=(math.log(0.2 * (1 + more)), 0.7), reference=(math.log(0.2), 0.7))
    claim = WithinConfig(row="row", reference="reference").measure(of)
    assert claim.found == pytest.approx(more) and claim.limit == 0.15
    assert claim.beyond.mean == pytest.approx(math.log((1 + more) / 1.15))
    assert (claim.beyond.high < 0) == holds and (claim.beyond.low > 0) == (not holds)


@pytest.mark.parametrize("closed", [0.5, 0.8, 0.95, 1.2])
def test_a_gap_is_closed_by_the_share_of_the_log_errors(closed):
    of = measured(undistilled=(-1.0, 0.6), teacher=(-1.4, 0.7), student=(-1.0 - 0.4 * closed, 0.7))
    config = ClosesConfig(row="student", start="undistilled", reference="teacher")
    claim = config.measure(of)
    assert claim.found == pytest.approx(closed) and claim.low < closed < claim.high
    assert claim.beyond.mean == pytest.approx(0.4 * (0.8 - closed))
    # At either end of the interval the test is just undecided: its own interval begins or ends at zero.
    for end, touches in ((claim.low, "high"), (claim.high, "low")):
        if end <= 1:  # more cannot be claimed
            at_end = ClosesConfig(row="student", start="undistilled", reference="teacher", share=end)
            assert getattr(at_end.measure(of).beyond, touches) == pytest.approx(0, abs=1e-4)


def test_without_a_gap_nothing_closes_it():
    for teacher in (-1.0, -0.8):  # as good as the undistilled row, and worse
        of = measured(undistilled=(-1.0, 0.6), teacher=(teacher, 0.7), student=(-1.1, 0.7))
        claim = ClosesConfig(row="student", start="undistilled", reference="teacher").measure(of)
        assert claim.found is None and claim.beyond is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: KeepsConfig(row="a", reference="b", loss=0.0),
        lambda: WithinConfig(row="a", reference="b", excess=0.0),
        lambda: ClosesConfig(row="a", start="c", reference="b", share=0.0),
        lambda: ClosesConfig(row="a", start="c", reference="b", share=1.5),
    ],
)
def test_what_cannot_be_claimed_is_refused(make):
    with pytest.raises(ValueError, match="share"):
        make()
