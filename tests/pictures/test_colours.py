import numpy as np
import pytest

from lumde.pictures.colours import INVALID, colour, colour_map


@pytest.mark.parametrize(
    ("name", "anchors"),
    [
        # Published table entries at 0.25, 0.5, 0.75 of turbo and at 0.25, 0.5, 0.75, 1 of magma.
        ("turbo", {0.25: (40, 188, 235), 0.5: (164, 252, 60), 0.75: (251, 126, 33)}),
        (
            "magma",
            {
                0.0: (0, 0, 4),
                0.25: (81, 18, 124),
                0.5: (183, 55, 121),
                0.75: (252, 137, 97),
                1.0: (252, 253, 191),
            },
        ),
    ],
)
def test_maps_pass_through_the_published_colours(name, anchors):
    table = colour_map(name).astype(int)
    for position, expected in anchors.items():
        assert np.abs(table[round(255 * position)] - expected).max() <= 20, (
            name,
            position,
        )  # the fits are that close


def test_magma_brightens_all_the_way():
    brightness = colour_map("magma") @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(brightness) > -0.5).all()
    turbo = colour_map("turbo") @ np.array([0.2126, 0.7152, 0.0722])
    assert not (np.diff(turbo) > -0.5).all()  # control: turbo is bright in the middle


def test_values_beyond_the_range_keep_the_end_colour_and_nan_is_grey():
    picture = colour(np.array([[-3.0, 0.0, 1.0, 7.0, np.nan]]), "magma")
    assert (picture[0, 0] == picture[0, 1]).all() and (picture[0, 2] == picture[0, 3]).all()
    assert tuple(picture[0, 4]) == INVALID
    assert not (colour_map("magma") == INVALID).all(axis=1).any()


def test_unknown_map_is_named():
    with pytest.raises(ValueError, match="jet.*turbo, magma"):
        colour_map("jet")
