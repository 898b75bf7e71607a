"""Lookups by hand: levels, wrapping, interpolation, and what a reduction must keep."""

import numpy as np
import pytest

from lumde.worlds.patterns import PAINTERS, TILE_M, paint_street
from lumde.worlds.textures import SIZE, faded, look_up, make_atlas


def at(atlas, u, v, extent_u=1.0, extent_v=1.0, texture=0):
    f = lambda value: np.array([value], np.float32)  # noqa: E731
    index = np.array([texture], np.int32)
    return look_up(atlas, index, [f(u), f(v)], [f(extent_u), f(extent_v)])[0, :3]


def ramp():
    """Red counts columns, green counts rows."""
    rows, columns = np.indices((SIZE, SIZE)) / 255
    return np.stack([columns, rows, 0 * rows], -1).astype(np.float32)


def test_texel_centres_are_at_half_numbers():
    atlas = make_atlas({"ramp": ramp()})
    np.testing.assert_allclose(at(atlas, 10.5, 20.5), [10, 20, 0])
    np.testing.assert_allclose(at(atlas, 11.0, 20.75), [10.5, 20.25, 0])


def test_positions_wrap():
    atlas = make_atlas({"ramp": ramp()})
    np.testing.assert_allclose(at(atlas, 10.5 + 3 * SIZE, 20.5 - 2 * SIZE), [10, 20, 0])
    np.testing.assert_allclose(at(atlas, 0.0, 0.5), [127.5, 0, 0])  # between the last and the first column


def test_each_axis_has_its_own_level():
    columns = np.zeros((SIZE, SIZE, 3), np.float32)
    columns[:, ::2] = 1
    atlas = make_atlas({"columns": columns})
    assert at(atlas, 10.5, 10.5)[0] == 255
    assert at(atlas, 10.5, 10.5, extent_v=100.0)[0] == 255  # blurred along the stripes: still stripes
    assert at(atlas, 10.5, 10.5, extent_u=2.0)[0] in (127, 128)
    assert at(atlas, 10.5, 10.5, extent_u=1.99)[0] == 255  # a level is the floor of the binary logarithm


def test_second_texture_is_found_behind_the_first():
    dark, light = np.zeros((SIZE, SIZE, 3), np.float32), np.full((SIZE, SIZE, 3), 0.6, np.float32)
    atlas = make_atlas({"dark": dark, "light": light})
    for extent in (1.0, 17.0, 1e4):
        assert at(atlas, 3.0, 3.0, extent, extent, texture=1)[0] == 153
        assert at(atlas, 3.0, 3.0, extent, extent, texture=0)[0] == 0


def test_every_street_texture_keeps_contrast_at_a_distance():
    atlas = paint_street(np.random.default_rng(3))
    assert set(PAINTERS) == set(TILE_M) == set(atlas.names)
    for name in set(atlas.names) - {"sky"}:
        where = np.random.default_rng(0).uniform(0, SIZE, (2, 200)).astype(np.float32)
        extent = np.full(200, 16.0, np.float32)
        index = np.full(200, atlas.index(name), np.int32)
        grey = look_up(atlas, index, list(where), [extent, extent])[:, :3].mean(-1)
        assert grey.std() > 2.5, f"{name}: flat when 16 texels fall into one sample"


def test_fading_pulls_a_texture_to_its_mean_and_leaves_the_others():
    noise = np.random.default_rng(0)
    atlas = make_atlas({name: noise.uniform(0.2, 0.8, (256, 256, 3)) for name in ("road", "wall")})
    found = faded(atlas, np.array([0.25, 1.0]))
    before, after = (one.texels.reshape(2, -1, 4)[..., :3].astype(float) for one in (atlas, found))
    assert np.array_equal(before[1], after[1])
    level_0 = slice(0, 256 * 256)
    assert after[0, level_0].std() == pytest.approx(0.25 * before[0, level_0].std(), rel=0.02)
    assert np.allclose(after[0].mean(0), before[0].mean(0), atol=2)
    flat = faded(atlas, np.array([0.0, 1.0])).texels.reshape(2, -1, 4)[0, :, :3]
    assert (flat == flat[0]).all()
