"""Poses by hand, and driving as it was asked for."""

import numpy as np
import pytest

from lumde.worlds.motion import poses_from_angles
from lumde.worlds.street import make_street


def test_yaw_turns_right_and_pitch_looks_down():
    angle = np.array([np.pi / 2]), np.array([0.0])
    yawed = poses_from_angles(np.zeros((1, 3)), angle[0], angle[1], angle[1])[0]
    np.testing.assert_allclose(yawed[:3, 2], [1, 0, 0], atol=1e-12)  # forward is now +x
    pitched = poses_from_angles(np.zeros((1, 3)), angle[1], angle[0], angle[1])[0]
    np.testing.assert_allclose(pitched[:3, 2], [0, 1, 0], atol=1e-12)  # forward is now down
    rolled = poses_from_angles(np.zeros((1, 3)), angle[1], angle[1], angle[0])[0]
    np.testing.assert_allclose(rolled[:3, 0], [0, 1, 0], atol=1e-12)  # the right-hand side went down


@pytest.fixture(scope="module")
def worlds():
    return [make_street(seed) for seed in range(5)]


def test_drives_are_smooth_forward_motion_with_yaw(worlds):
    turns = []
    for poses in (world.world_from_camera for world in worlds):
        rotation = poses[:, :3, :3]
        np.testing.assert_allclose(
            rotation @ rotation.transpose(0, 2, 1), np.tile(np.eye(3), (len(poses), 1, 1)), atol=1e-12
        )
        np.testing.assert_allclose(np.linalg.det(rotation), 1)
        step = np.diff(poses[:, :3, 3], axis=0)
        length = np.linalg.norm(step, axis=1)
        assert length.min() > 0.25 and length.max() < 1.3
        assert (
            np.einsum("ni,ni->n", step, poses[:-1, :3, 2]) / length > 0.97
        ).all()  # cameras look up to 8 degrees aside and down
        heading = np.unwrap(np.arctan2(poses[:, 0, 2], poses[:, 2, 2]))
        turns.append(np.degrees(np.abs(np.diff(heading))).max())
        assert np.degrees(np.abs(np.diff(heading, n=2))).max() < 0.5
    assert max(turns) > 0.4 and max(turns) < 3


def test_worlds_differ_in_camera_and_light(worlds):
    fov = [world.fov_deg for world in worlds]
    assert min(fov) >= 45 and max(fov) <= 90 and max(fov) - min(fov) > 10
    assert len({tuple(world.light.sun) for world in worlds}) == 5
