"""Trajectories: known rotations, round trips, refused lines with their number."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from lumde.errors import DataError
from lumde.media.poses import read_kitti_poses, read_tum, write_tum

QUARTER = 0.5**0.5


def test_quarter_turn_about_y_takes_z_to_x(tmp_path):
    (tmp_path / "a.txt").write_text(
        f"# header\n1.5 1 2 3 0 {QUARTER} 0 {QUARTER}\n\n2.5,0,0,0,0,0,0,1 # end\n"
    )
    times, poses = read_tum(tmp_path / "a.txt")
    assert times.tolist() == [1.5, 2.5]
    np.testing.assert_allclose(poses[0] @ [0, 0, 1, 1], [1 + 1, 2, 3, 1], atol=1e-9)
    np.testing.assert_array_equal(poses[1], np.eye(4))


def test_tum_round_trip_at_any_angle(tmp_path):
    rng = np.random.default_rng(0)
    quaternions = np.concatenate([rng.normal(size=(20, 4)), np.eye(4)])  # eye: the half turns
    poses = np.tile(np.eye(4), (24, 1, 1))
    poses[:, :3, :3] = Rotation.from_quat(quaternions).as_matrix()
    poses[:, :3, 3] = rng.normal(size=(24, 3))
    write_tum(tmp_path / "a.txt", np.arange(24) / 10, poses)
    times, read = read_tum(tmp_path / "a.txt")
    np.testing.assert_allclose(read, poses, atol=1e-7)
    np.testing.assert_allclose(times, np.arange(24) / 10)


def test_kitti_rows(tmp_path):
    (tmp_path / "a.txt").write_text("1 0 0 4 0 1 0 5 0 0 1 6\n0 0 1 0 0 1 0 0 -1 0 0 0\n")
    poses = read_kitti_poses(tmp_path / "a.txt")
    np.testing.assert_array_equal(poses[0][:, 3], [4, 5, 6, 1])
    np.testing.assert_array_equal(poses[1] @ [0, 0, 1, 1], [1, 0, 0, 1])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 0 0 0 0 0 0 1\n1 2 3\n", r"a\.txt:2: 8 numbers expected, found 3"),
        ("1 0 0 0 0 0 0 x\n", r"a\.txt:1: 8 numbers"),
        ("1 0 0 nan 0 0 0 1\n", "not finite"),
        ("1 0 0 0 0 0 0 2\n", "quaternion of length 2"),
        ("1 0 0 0 0 0 0 1\n1 0 0 0 0 0 0 1\n", r"a\.txt:2: time"),
        ("# only a comment\n", "holds no pose"),
    ],
)
def test_broken_tum_lines_are_named(tmp_path, text, reason):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(DataError, match=reason):
        read_tum(tmp_path / "a.txt")


def test_kitti_rows_must_hold_rotations(tmp_path):
    (tmp_path / "a.txt").write_text("1 0 0 4 0 -1 0 5 0 0 1 6\n")  # a reflection
    with pytest.raises(DataError, match="no rotation"):
        read_kitti_poses(tmp_path / "a.txt")
