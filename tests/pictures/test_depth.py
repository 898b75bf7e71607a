import numpy as np

from lumde.pictures.colours import INVALID, colour_map
from lumde.pictures.depth import DepthRange, abs_rel_map, colour_depth, colour_error, depth_range


def test_depth_colours_are_logarithmic_and_do_not_depend_on_the_frame():
    limits = DepthRange(1.0, 100.0)
    picture = colour_depth(np.array([[1.0, 10.0, 100.0, 0.0]]), limits)
    table = colour_map("turbo")
    assert (picture[0, 0] == table[255]).all()
    assert (picture[0, 1] == table[128]).all()  # 10 is halfway between 1 and 100
    assert (picture[0, 2] == table[0]).all()
    assert tuple(picture[0, 3]) == INVALID
    alone = colour_depth(np.array([[10.0]]), limits)
    assert (alone[0, 0] == picture[0, 1]).all()


def test_one_range_covers_all_maps_and_ignores_missing_depth():
    first, second = np.full((4, 5), 2.0), np.full((4, 5), 30.0)
    first[0, 0], second[0, 0] = 0.0, np.inf
    assert depth_range([first, second]) == DepthRange(2.0, 30.0)
    flat = depth_range([first])
    assert flat.near == 2.0 and flat.far > flat.near
    assert depth_range([np.zeros((2, 2))]).near > 0


def test_abs_rel_per_pixel_by_hand():
    error = abs_rel_map(np.array([[2.0, 3.0, 0.0, 5.0]]), np.array([[4.0, 2.0, 1.0, 0.0]]))
    np.testing.assert_allclose(error[0, :2], [0.5, 0.5])
    assert np.isnan(error[0, 2:]).all()
    picture = colour_error(error, worst=1.0)
    assert (picture[0, 0] == colour_map("magma")[128]).all() and tuple(picture[0, 2]) == INVALID
