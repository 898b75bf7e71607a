"""Rooms: what a camera in a hand may and may not do there, and what they are furnished with."""

import numpy as np
import pytest

from lumde.worlds.floorplan import Room
from lumde.worlds.kit import box
from lumde.worlds.look import make_look
from lumde.worlds.render import render_clip
from lumde.worlds.room import make_room
from lumde.worlds.room_camera import held_back
from lumde.worlds.solids import Solid


@pytest.fixture
def room():
    """4 x 5 x 2.5 m, a cupboard that is turned by a right angle, and a thing at the height of the eyes."""
    cupboard = Solid((1.0, 0.0, 2.0, np.pi / 2), box(0.5, 0.2, 1.0, 0.0), 5, 0, 0, (1, 1, 1), (1, 1), (1, 1))
    lamp = Solid((-1.0, -1.5, 3.0, 0.0), box(0.1, 0.1, 0.2, 0.0), 6, 0, 0, (1, 1, 1), (1, 1), (1, 1))
    room = Room(2.0, 5.0, 2.5)
    room.furnish([cupboard, lamp])
    return room


def test_a_camera_keeps_away_from_walls_and_from_boxes_around_solids(room):
    points = {
        (0.0, -1.2, 2.5): True,
        (1.95, -1.2, 2.5): False,  # a wall
        (0.0, -1.2, 4.95): False,
        (0.0, -2.45, 2.5): False,  # the ceiling
        (0.0, -0.05, 2.5): False,  # the floor
        (1.0, -0.5, 2.45): False,  # in the cupboard: its half width of .5 now runs along z
        (1.0, -0.5, 2.65): True,
        (1.45, -0.5, 2.0): True,
        (1.0, -1.05, 2.0): False,  # just above it
        (1.0, -1.15, 2.0): True,
        (-1.0, -1.6, 3.15): False,  # beside the lamp, which begins at 1.5 m
        (-1.0, -1.35, 3.0): True,  # below it
    }
    held = room.holds(np.array(list(points)), 0.1)
    assert dict(zip(points, held.tolist(), strict=True)) == points


def test_a_view_is_open_when_nothing_is_right_before_it(room):
    assert room.is_open((0.0, -1.2, 1.0), 0.0)
    assert not room.is_open((0.0, -1.2, 4.6), 0.0)  # the wall
    assert room.is_open((0.0, -1.2, 4.6), np.pi)
    assert not room.is_open((-1.0, -1.6, 2.4), 0.0)  # the lamp
    assert room.is_open((-1.0, -1.0, 2.4), 0.0)


def test_a_way_through_a_wall_shrinks_until_it_is_inside(room):
    poses = np.tile(np.eye(4), (5, 1, 1))
    poses[:, :3, 3] = np.linspace((0.0, -1.2, 4.0), (0.0, -1.2, 6.0), 5)
    kept = held_back(room, poses)
    assert kept[0, 2, 3] == 4.0 and kept[-1, 2, 3] == pytest.approx(4.9, abs=0.011)  # .45 of the way
    np.testing.assert_allclose(np.diff(kept[:, 2, 3]), 0.45 * 0.5)
    free = np.tile(np.eye(4), (2, 1, 1))
    free[:, 1:3, 3] = -1.2, 1.2
    np.testing.assert_array_equal(held_back(room, free), free)


def test_no_camera_is_in_a_wall_or_a_thing():
    for seed in range(12):
        world = make_room(seed)
        clip = render_clip(world, 24, 32, [0, 20, 40])
        assert (clip.depth > 0).all() and np.quantile(clip.depth, 0.02) > 0.1
        eyes, corners = world.world_from_camera[:, :3, 3], world.surfaces.corners[: world.backdrop]
        assert (eyes > corners.min((0, 1))).all() and (eyes < corners.max((0, 1))).all()


def test_rooms_are_rarely_hazy():
    hazy = [make_look(make_room(seed)).haze > 0 for seed in range(20)]
    assert sum(hazy) < 7


def test_strong_colours_stand_beside_greys_and_nearly_black():
    colours = np.concatenate([world.surfaces.colour[world.backdrop :] for world in map(make_room, range(6))])
    spread = colours.max(1) - colours.min(1)
    assert (colours.max(1) < 0.4).mean() > 0.03
    assert (spread > 0.6 * colours.max(1)).mean() > 0.05
    assert (spread < 0.25 * colours.max(1)).mean() > 0.2
