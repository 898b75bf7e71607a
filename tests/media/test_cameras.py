"""Camera files: four formats, carried sizes and turns, and every common mistake named."""

import numpy as np
import pytest

from lumde.errors import DataError
from lumde.media.camera_checks import check_intrinsics
from lumde.media.camera_turns import rotated
from lumde.media.cameras import (
    Camera,
    assumed_camera,
    camera_from_focal,
    camera_from_fov,
    fitted,
    read_camera,
    read_colmap_cameras,
    scaled,
    write_camera,
)

KITTI = (721.5, 721.5, 609.6, 172.9)
WIDTH, HEIGHT = 1242, 375


def _matrix(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


def _distorted_pixel(camera: Camera, x: float, y: float) -> np.ndarray:
    """Where the ray through normalised (x, y) lands: Brown's model written out."""
    k1, k2, p1, p2 = camera.distortion[:4]
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2 * r2
    moved = np.array(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
            1,
        ]
    )
    return (camera.intrinsics @ moved)[:2]


def test_ros_file_round_trip(tmp_path):
    camera = Camera(
        _matrix(500.25, 501, 320, 239), 640, 480, (-0.2, 0.1, 0.001, -0.002, 0.0), 0.12, "calibrated"
    )
    write_camera(tmp_path / "camera.yaml", camera)
    read = read_camera(tmp_path / "camera.yaml")
    np.testing.assert_array_equal(read.intrinsics, camera.intrinsics)
    assert (read.width, read.height, read.distortion, read.baseline) == (640, 480, camera.distortion, 0.12)
    assert read.source == "calibrated" and not read.assumed and read.distorted
    write_camera(tmp_path / "camera.yaml", assumed_camera(640, 480))
    assert read_camera(tmp_path / "camera.yaml").assumed
    assert "camera_name: assumed" in (tmp_path / "camera.yaml").read_text()


def test_opencv_calibration_file_is_read(tmp_path):
    (tmp_path / "a.yml").write_text(
        "%YAML:1.0\n---\nimage_width: 640\nimage_height: 480\n"
        "camera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n"
        "   data: [ 500., 0., 320., 0., 5.01e+02, 240., 0., 0., 1. ]\n"
        "distortion_coefficients: !!opencv-matrix\n   rows: 5\n   cols: 1\n   data: [ 0., 0., 0., 0., 0. ]\n"
    )
    camera = read_camera(tmp_path / "a.yml")
    assert camera.intrinsics[1, 1] == 501 and not camera.distorted


def test_colmap_centre_is_half_a_pixel_off_ours(tmp_path):
    (tmp_path / "cameras.txt").write_text(
        "# comment\n1 SIMPLE_RADIAL 640 480 500 320 240 -0.1\n"
        "2 OPENCV 640 480 500 510 320 240 -0.1 0.2 0.01 0.02\n"
    )
    cameras = read_colmap_cameras(tmp_path / "cameras.txt")
    np.testing.assert_array_equal(cameras[1].intrinsics, _matrix(500, 500, 319.5, 239.5))
    assert cameras[1].distortion == (-0.1, 0, 0, 0)
    assert cameras[2].distortion == (-0.1, 0.2, 0.01, 0.02) and cameras[2].intrinsics[1, 1] == 510
    with pytest.raises(DataError, match="2 cameras"):
        read_camera(tmp_path / "cameras.txt")


def test_kitti_files(tmp_path):
    rows = [f"P{i}: 700 0 600 {shift} 0 700 180 0 0 0 1 0" for i, shift in enumerate((0, -378, 45, -333))]
    (tmp_path / "calib.txt").write_text("\n".join(rows))
    camera = read_camera(tmp_path / "calib.txt", (1226, 370))
    np.testing.assert_array_equal(camera.intrinsics, _matrix(700, 700, 600, 180))
    assert camera.baseline == pytest.approx(378 / 700) and (camera.width, camera.height) == (1226, 370)


def test_one_line(tmp_path):
    (tmp_path / "a.txt").write_text("721.5, 721.5, 609.6, 172.9\n")
    camera = read_camera(tmp_path / "a.txt", (WIDTH, HEIGHT))
    np.testing.assert_array_equal(camera.intrinsics, _matrix(*KITTI))


def test_camera_of_another_size_is_scaled_and_says_so(tmp_path):
    write_camera(tmp_path / "a.yaml", camera_from_focal(1000, 1280, 720))
    camera = read_camera(tmp_path / "a.yaml", (640, 360))
    np.testing.assert_allclose(camera.intrinsics, _matrix(500, 500, 319.5, 179.5))
    assert "scaled from 1280x720" in camera.source
    with pytest.raises(DataError, match="another shape"):
        read_camera(tmp_path / "a.yaml", (640, 480))


def test_scaling_keeps_the_ray_of_a_picture_corner():
    camera = scaled(Camera(_matrix(100, 110, 31, 22), 64, 48), 32, 12)
    # The outer corner of pixel (0, 0) is at -0.5 at every size.
    before = (-0.5 - 31) / 100, (-0.5 - 22) / 110
    after = (
        (-0.5 - camera.intrinsics[0, 2]) / camera.intrinsics[0, 0],
        (-0.5 - camera.intrinsics[1, 2]) / camera.intrinsics[1, 1],
    )
    assert after == pytest.approx(before)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_camera_sees_the_same_point_in_the_turned_picture(turns):
    camera = Camera(_matrix(500, 520, 300, 250), 640, 480, (-0.2, 0.05, 0.01, -0.02))
    turned = rotated(camera, turns)
    x, y = 0.3, -0.2
    index = np.zeros((480, 640), int)
    column, row = np.rint(_distorted_pixel(camera, x, y)).astype(int)
    index[row, column] = 1
    expected_row, expected_column = np.argwhere(np.rot90(index, turns))[0]
    for _ in range(turns):  # counter-clockwise in the picture, y down: right (1, 0) becomes up (0, -1)
        x, y = y, -x
    np.testing.assert_allclose(_distorted_pixel(turned, x, y), [expected_column, expected_row], atol=0.51)
    assert (turned.width, turned.height) == ((480, 640) if turns % 2 else (640, 480))


def test_field_of_view_is_horizontal():
    camera = camera_from_fov(90, 640, 480)
    np.testing.assert_allclose(camera.intrinsics, _matrix(320, 320, 319.5, 239.5))
    assert assumed_camera(640, 480).source == "assumed 60 degrees"
    assert assumed_camera(480, 640).intrinsics[0, 0] == pytest.approx(320 / np.tan(np.pi / 6))
    with pytest.raises(DataError, match="15-150"):
        camera_from_fov(170, 640, 480)


@pytest.mark.parametrize(
    ("numbers", "mistake"),
    [
        ((0.58, 1.92, 0.49, 0.46), "normalised"),
        ((721.5 * WIDTH, 721.5 * HEIGHT, 609.6 * WIDTH, 172.9 * HEIGHT), "twice"),
        ((609.6, 172.9, 721.5, 721.5), "swapped; the order"),
        ((900, 609.6, 900, 172.9), "order fx cx fy cy"),
        ((721.5, 721.5, 172.9, 609.6), "row, column"),
        ((371.8, 369.3, 313.6, 88.3), "the camera of 627x177 pictures"),
        ((721.5, -721.5, 609.6, 172.9), "negative"),
        ((0, 721.5, 609.6, 172.9), "zero"),
        ((np.nan, 721.5, 609.6, 172.9), "not finite"),
        ((9000, 9000, 609.6, 172.9), "field of view is 7.89"),
        ((721.5, 721.5, 100, 172.9), "far from the middle"),
    ],
)
def test_mistakes_are_named(numbers, mistake):
    check_intrinsics(_matrix(*KITTI), WIDTH, HEIGHT, "kitti")
    with pytest.raises(DataError, match=mistake) as caught:
        check_intrinsics(_matrix(*numbers), WIDTH, HEIGHT, "file.yaml")
    assert str(caught.value).startswith("file.yaml: ")


def test_transposed_matrix_is_named():
    with pytest.raises(DataError, match="transposed"):
        check_intrinsics(_matrix(*KITTI).T, WIDTH, HEIGHT, "here")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("camera_matrix: {data: [1, 2]}", "9 numbers"),
        ("camera_matrix: {data: [a, b]}", "numbers expected"),
        ("camera_matrix: [500, 0, 320, 0, 500, 240, 0, 0, 1]\ndistortion_model: equidistant", "undistort"),
        ("camera_matrix: [500, 0, 320, 0, 500, 240, 0, 0, 1]\nimage_width: 6.5", "whole number"),
        ("camera_matrix: [1\n", "not valid YAML"),
        ("1 OPENCV_FISHEYE 640 480 1 2 3 4 5 6 7 8\n", "undistort others"),
        ("1 PINHOLE 640 480 500 500 320\n", "needs 4 parameters, found 3"),
        ("P0: 1 2 3\n", "12 numbers"),
        ("500 500 320\n", "no camera file"),
        ("<html>", "no camera file"),
    ],
)
def test_broken_files_are_refused_with_their_reason(tmp_path, text, reason):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(DataError, match=reason):
        read_camera(tmp_path / "a.txt", (640, 480))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("fisheye_model: 1", "a fisheye lens is not supported"),
        ("dist_coeff: [[-0.35, 0.1, 0, 0, 0]]", "dist_coeff is not read; call it distortion_coefficients"),
    ],
)
def test_a_lens_that_would_be_read_as_another_is_refused(tmp_path, line, reason):
    """As OpenCV's own tool tells a fisheye lens, and as a recipe that is much copied stores distortion."""
    (tmp_path / "a.yaml").write_text(
        "image_width: 64\nimage_height: 48\ncamera_matrix: {data: [50, 0, 32, 0, 50, 24, 0, 0, 1]}\n" + line
    )
    with pytest.raises(DataError, match=reason):
        read_camera(tmp_path / "a.yaml")


@pytest.mark.parametrize("size", [(1000, 4500), (10_000, 700), (100, 1), (1, 1)])
def test_an_assumed_camera_fits_pictures_of_any_shape(size):
    camera = fitted(assumed_camera(*size), *size, "picture")
    assert camera.assumed and camera.size == size
