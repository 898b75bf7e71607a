"""Depth PNGs: exact values, no wrap-around, no 8-bit files."""

import numpy as np
import pytest
from PIL import Image

from lumde.errors import DataError
from lumde.media.depth_png import read_depth, write_depth


def test_known_values_are_stored_and_counted(tmp_path):
    depth = np.array([[0, 0.001, 1, 80, 255.9, 256, 300, np.nan, np.inf, -1]], np.float32)
    assert write_depth(tmp_path / "a.png", depth, 256) == 2  # uint16 would wrap 300 m to 44 m
    stored = np.asarray(Image.open(tmp_path / "a.png")).tolist()[0]
    assert stored == [0, 0, 256, 20480, 65510, 65535, 65535, 0, 0, 0]
    read = read_depth(tmp_path / "a.png", 256)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read[0, [2, 3]], [1, 80])


@pytest.mark.parametrize("scale", [256.0, 1000.0, 5000.0])
def test_round_trip_is_exact_to_half_a_step(tmp_path, scale):
    depth = np.random.default_rng(0).uniform(0.1, 12, (7, 9)).astype(np.float32)
    assert write_depth(tmp_path / "a.png", depth, scale) == 0
    assert np.abs(read_depth(tmp_path / "a.png", scale) - depth).max() <= 0.5 / scale + 1e-6


def test_eight_bit_and_colour_files_are_refused(tmp_path):
    for mode in ("L", "RGB"):
        Image.new(mode, (4, 3)).save(tmp_path / "a.png")
        with pytest.raises(DataError, match="16-bit"):
            read_depth(tmp_path / "a.png", 256)


def test_damaged_file_is_refused(tmp_path):
    write_depth(tmp_path / "a.png", np.random.default_rng(0).uniform(1, 9, (30, 30)), 256)
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"a\.png"):
        read_depth(tmp_path / "a.png", 256)
