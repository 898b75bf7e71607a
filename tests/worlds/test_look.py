"""Shine, haze and exposure by hand, and that they change pictures only."""

from dataclasses import replace

import numpy as np
import pytest

from lumde.worlds.clips import FAMILIES, Order, render_world
from lumde.worlds.look import Look, exposed, hazed, highlight, make_look
from lumde.worlds.planes import planes_of
from lumde.worlds.scene import Light, Surfaces

PLAIN = Look(
    shine=np.array([0.5, 0.0], np.float32),
    contrast=np.ones(2),
    sharpness=2.0,
    haze=0.1,
    haze_colour=np.array([200.0, 210.0, 220.0], np.float32),
    exposure=np.ones(44),
    metered=100.0,
    metering=1.0,
    tone=1.0,
    knee=255.0,
)


def floor_plane():
    """A triangle in the plane y = 0; which side its normal points to must not matter."""
    corners = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 0, 1]]])
    return planes_of(
        Surfaces(
            corners,
            np.array([[[0.0, 0], [1, 0], [0, 1]]]),
            np.zeros(1, int),
            np.ones((1, 3)),
            np.ones(1, int),
        )
    )


def test_a_highlight_is_where_the_mirrored_light_meets_the_eye():
    light = Light(np.array([0.0, -1.0, 0.0]), np.full(3, 0.4), np.ones(3))
    rays = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]], np.float32)
    seen, lit = np.zeros(4, int), np.array([1, 1, 1, 0], np.float32)
    added = highlight(PLAIN, light, np.array([0]), floor_plane(), rays, seen, lit)
    full = 255 * 0.5 * 0.4
    np.testing.assert_allclose(
        added[:, 0], [full, full / 2, 0, 0], atol=1e-3
    )  # cos^2 of 0, 45, 90 degrees, shadow
    assert (highlight(PLAIN, light, np.array([1]), floor_plane(), rays, seen, lit) == 0).all(), "dull"


def test_haze_by_the_law_of_beer_and_lambert():
    colour = np.array([[100.0, 100.0, 100.0, 7.0]] * 2, np.float32)
    found = hazed(PLAIN, colour, np.array([0.0, 10.0], np.float32))
    behind = hazed(PLAIN, np.full((1, 4), 9, np.float32), np.array([-1e9], np.float32))
    assert (behind == 9).all(), "a ray that met nothing"
    through = np.exp(-1.0)
    np.testing.assert_allclose(found[0, :3], 100)
    np.testing.assert_allclose(
        found[1, :3], 100 * through + np.array([200, 210, 220]) * (1 - through), rtol=1e-5
    )


def test_exposure_meters_the_mean_and_drifts():
    image = np.random.default_rng(0).uniform(0, 120, (50, 3)).astype(np.float32)
    assert exposed(PLAIN, image, 0).mean() == pytest.approx(100, rel=1e-4)
    drifting = replace(PLAIN, exposure=np.array([1.0, 1.2]), metering=0.0)
    np.testing.assert_allclose(exposed(drifting, image, 1), 1.2 * image, rtol=1e-5)
    lifted = exposed(replace(PLAIN, tone=0.5, metering=0.0), np.full((2, 3), 255 / 4, np.float32), 0)
    np.testing.assert_allclose(lifted, 255 / 2, rtol=1e-5)


def test_highlights_approach_white_beyond_the_knee():
    image = np.array([[50.0] * 3, [155.0] * 3, [255.0] * 3, [355.0] * 3], np.float32)
    seen = exposed(replace(PLAIN, metering=0.0, knee=155.0), image, 0)[:, 0]
    np.testing.assert_allclose(seen[:2], (50, 155), rtol=1e-5)
    np.testing.assert_allclose(
        seen[2:], (155 + 100 * (1 - np.exp(-1)), 155 + 100 * (1 - np.exp(-2))), rtol=1e-5
    )
    np.testing.assert_allclose(exposed(replace(PLAIN, metering=0.0), image, 0)[1:3, 0], (155, 255), rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_look_changes_pictures_and_nothing_else(family):
    plain, looked, again = (
        render_world(Order(family, 5, (0, 20), look), 32, 64) for look in (False, True, True)
    )
    assert (plain.depth == looked.depth).all() and (plain.ids == looked.ids).all()
    assert (plain.images != looked.images).mean() > 0.3
    assert looked.images.tobytes() == again.images.tobytes()


def test_looks_differ_between_worlds():
    looks = [make_look(FAMILIES["rooms"](seed)) for seed in range(12)]
    assert len({look.metered for look in looks}) == 12
    assert 0 < sum(look.haze > 0 for look in looks) < 12
