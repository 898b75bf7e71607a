"""Point clouds: read back by hand."""

import numpy as np

from lumde.media.ply import write_ply


def test_points_and_colours_are_where_the_header_says(tmp_path):
    points = np.array([[1, 2, 3], [np.nan, 0, 0], [4, 5, 6.5]])
    colours = np.array([[10, 20, 30], [0, 0, 0], [255, 0, 1]], np.uint8)
    write_ply(tmp_path / "a.ply", points, colours)
    header, body = (tmp_path / "a.ply").read_bytes().split(b"end_header\n")
    assert b"element vertex 2\n" in header and b"binary_little_endian" in header
    assert len(body) == 2 * 15
    np.testing.assert_array_equal(np.frombuffer(body[15:27], "<f4"), [4, 5, 6.5])
    assert list(body[27:]) == [255, 0, 1] and list(body[12:15]) == [10, 20, 30]
