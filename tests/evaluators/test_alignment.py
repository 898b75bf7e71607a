import numpy as np
import pytest

from lumde.errors import NumericsError
from lumde.evaluators.alignment import fit_scale_shift, invert, scale_ratio


def test_medians_of_an_even_count_are_the_mean_of_the_middle_two():
    disparity = np.array([1.0, 1 / 2, 1 / 4, 1 / 8])  # depths 1 2 4 8: median 3 (a lower median would be 2)
    assert scale_ratio(disparity, np.array([24.0, 3.0, 6.0, 12.0]), "a") == pytest.approx(9.0 / 3.0)


def test_zero_disparity_is_infinitely_far():
    assert invert(np.array([0.0, 0.5])).tolist() == [np.inf, 2.0]
    with pytest.raises(NumericsError, match="drive/7: more than half"):
        scale_ratio(np.array([0.0, 0.0, 1.0]), np.ones(3), "drive/7")


def test_scale_and_shift_are_recovered_exactly():
    depth = np.array([1.0, 2.0, 5.0, 20.0])
    disparity = (1 / depth - 0.3) / 7.0  # partly negative
    np.testing.assert_allclose(fit_scale_shift(disparity, depth), depth, rtol=1e-10)


def test_scale_and_shift_are_the_least_squares_line():
    rng = np.random.default_rng(0)
    disparity, depth = rng.uniform(0.1, 1, 50), rng.uniform(2, 9, 50)
    slope, shift = np.polyfit(disparity, 1 / depth, 1)
    np.testing.assert_allclose(fit_scale_shift(disparity, depth), 1 / (slope * disparity + shift))


def test_a_constant_fits_the_mean_inverse_depth():
    fitted = fit_scale_shift(np.full(2, 3.0), np.array([1.0, 2.0]))
    np.testing.assert_allclose(fitted, 1 / 0.75)
