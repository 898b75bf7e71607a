import shutil

import numpy as np
import pytest

from lumde.data.kitti_files import project_scan, read_scan
from lumde.data.kitti_raw import KittiRaw
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.errors import DataError
from lumde.media.depth_png import read_depth, write_depth
from lumde.media.images import write_png

DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"
HEIGHT, WIDTH, FOCAL = 10, 20, 12.0
CAM = f"""calib_time: 09-Jan-2012 13:57:47
R_rect_00: 1 0 0 0 1 0 0 0 1
S_rect_02: {WIDTH} {HEIGHT}
P_rect_02: {FOCAL} 0 10 0.6 0 {FOCAL} 5 0 0 0 1 0
S_rect_03: {WIDTH} {HEIGHT}
P_rect_03: {FOCAL} 0 10 -5.4 0 {FOCAL} 5 0 0 0 1 0
"""
VELO = "R: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 -0.25\n"  # z of the camera = forward of the LiDAR - 0.25 m


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("kitti_raw")
    (tmp_path / "2011_09_26").mkdir()
    (tmp_path / "2011_09_26" / "calib_cam_to_cam.txt").write_text(CAM)
    (tmp_path / "2011_09_26" / "calib_velo_to_cam.txt").write_text(VELO)
    for camera, value in (("02", 2), ("03", 3)):
        folder = tmp_path / DRIVE / f"image_{camera}" / "data"
        folder.mkdir(parents=True)
        for i in (0, 1, 2, 4):
            write_png(folder / f"{i:010d}.png", np.full((HEIGHT, WIDTH, 3), 10 * i + value, np.uint8))
    scans = tmp_path / DRIVE / "velodyne_points" / "data"
    scans.mkdir(parents=True)
    np.array([[4.25, 0, 0, 0.9]], "<f4").tofile(scans / "0000000001.bin")
    return tmp_path


@pytest.fixture
def root(template, tmp_path):
    """A copy to spoil."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path


def split_file(root, text):
    path = root / "split.txt"
    path.write_text(text)
    return str(path)


def open_raw(root, **config) -> KittiRaw:
    return KittiRaw(KittiRaw.Config(root=str(root), **config))


def test_all_frames_of_both_cameras_are_found(root):
    dataset = open_raw(root)
    assert len(dataset.targets) == 8 and dataset.provides == ("sources", "depth", "right")
    assert dataset.expected is None and dataset.protocol == "kitti_eigen"
    third = dataset.targets[2]
    assert third.name == "0000000002" and dataset.neighbour(third, 1) is None
    assert (
        dataset.neighbour(third, 2).name == "0000000004" and dataset.neighbour(third, -1).name == "0000000001"
    )


def test_split_lines_name_folder_frame_and_side(root):
    split = split_file(root, f"{DRIVE} 0000000004 l\n{DRIVE} 1 r\n{DRIVE} 7 l\n")
    dataset = open_raw(root, split=split)
    assert dataset.expected == 3 and len(dataset.targets) == 2  # frame 7 is not on disk: the count tells
    assert [int(dataset.read(key).image[0, 0, 0]) for key in dataset.targets] == [42, 13]
    assert dataset.read(dataset.targets[0]).intrinsics.tolist() == [[FOCAL, 0, 10], [0, FOCAL, 5], [0, 0, 1]]


@pytest.mark.parametrize(
    "line",
    [
        "../x 1 l",
        "/etc 1 l",
        f"{DRIVE}/../../.. 1 l",
        "a\\b 1 l",
        f"{DRIVE} 1",
        f"{DRIVE} x l",
        f"{DRIVE} 1 m",
    ],
)
def test_hostile_and_malformed_split_lines_are_refused(root, line):
    with pytest.raises(DataError, match=r"not a plain path|split.txt:2"):
        open_raw(root, split=split_file(root, f"{DRIVE} 1 l\n{line}\n"))


def test_a_link_out_of_the_root_is_refused(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (root / "2011_09_26" / "away").symlink_to(outside)
    with pytest.raises(DataError, match="outside"):
        open_raw(root, split=split_file(root, "2011_09_26/away 1 l\n"))


def test_the_stereo_partner_has_its_baseline_on_either_side(root):
    dataset = open_raw(root, split=split_file(root, f"{DRIVE} 1 l\n{DRIVE} 1 r\n"))
    left, right = (dataset.read(key) for key in dataset.targets)
    assert (left.right == 13).all() and left.baseline == pytest.approx(0.5)  # (0.6 + 5.4) / 12
    assert (right.right == 12).all() and right.baseline == pytest.approx(-0.5)
    snippets = Snippets(
        dataset, SnippetConfig(height=HEIGHT, width=WIDTH, offsets=(), stereo=True), ("sources",)
    )
    assert [float(snippets[i]["source_from_target"][0, 0, 3]) for i in range(2)] == [-0.5, 0.5]
    (root / DRIVE / "image_03" / "data" / "0000000001.png").unlink()
    assert not dataset.has_partner(dataset.targets[0])


def test_pictures_stored_at_half_size_have_a_camera_to_match(root):
    small = np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8)
    write_png(root / DRIVE / "image_02" / "data" / "0000000001.png", small)
    dataset = open_raw(root, split=split_file(root, f"{DRIVE} 1 l\n"))
    frame = dataset.read(dataset.targets[0])
    assert frame.intrinsics.tolist() == [[FOCAL / 2, 0, 4.75], [0, FOCAL / 2, 2.25], [0, 0, 1]]
    assert frame.depth.shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize(("depth", "metres"), [("lidar_forward", 4.25), ("camera_z", 4.0)])
def test_ground_truth_is_forward_distance_or_camera_depth(root, depth, metres):
    split = split_file(root, f"{DRIVE} 1 l\n{DRIVE} 2 l\n")
    dataset = open_raw(root, depth=depth, split=split)
    frame = dataset.read(dataset.targets[0])
    asked = open_raw(root, split=split)  # unasked: Eigen's, as published numbers have it
    assert asked.read(asked.targets[0]).depth[4, 9] == 4.25
    # straight ahead: x = (12 * 0 + 0.6) / 4 + 10 = 10.15 and y = 5, rounded, minus 1
    assert np.argwhere(frame.depth).tolist() == [[4, 9]]
    assert frame.depth[4, 9] == metres
    assert dataset.read(dataset.targets[1]).depth is None  # no scan of that frame
    assert dataset.read_fields(dataset.targets[0], ()).depth is None


def test_the_improved_ground_truth_is_read_from_its_folder(root):
    folder = root / DRIVE / "proj_depth" / "groundtruth" / "image_02"
    folder.mkdir(parents=True)
    write_depth(folder / "0000000001.png", np.full((HEIGHT, WIDTH), 7.5), 256)
    dataset = open_raw(root, depth="improved", split=split_file(root, f"{DRIVE} 1 l\n"))
    assert dataset.protocol == "kitti_improved"
    assert (dataset.read(dataset.targets[0]).depth == 7.5).all()


def test_the_scan_projection_against_a_loop():
    random = np.random.default_rng(0)
    points = random.uniform([-2, -6, -4, 0], [9, 6, 4, 1], (800, 4)).astype(np.float32)
    velo = np.array([[10.0, -12, 0, 0.6], [5, 0, -12, 0], [1, 0, 0, -0.25]])  # P times pose, by hand
    for camera_z in (False, True):
        expected = np.zeros((HEIGHT, WIDTH), np.float32)
        for point in points:
            x, y, z = velo @ np.append(point[:3].astype(np.float64), 1)
            column, row = int(np.rint(x / z)) - 1, int(np.rint(y / z)) - 1
            if point[0] < 0 or z <= 0 or not (0 <= column < WIDTH and 0 <= row < HEIGHT):
                continue
            value = np.float32(z if camera_z else point[0])
            if expected[row, column] == 0 or value < expected[row, column]:
                expected[row, column] = value
        found = project_scan(points, velo, (HEIGHT, WIDTH), camera_z)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert (found > 0).mean() > 0.4


def test_a_cut_scan_and_an_implausible_calibration_are_named(root):
    scan = root / DRIVE / "velodyne_points" / "data" / "0000000001.bin"
    scan.write_bytes(b"\0" * 30)
    with pytest.raises(DataError, match=r"0000000001.bin: 30 bytes"):
        read_scan(scan)
    calibration = root / "2011_09_26" / "calib_cam_to_cam.txt"
    calibration.write_text(CAM.replace(f"P_rect_02: {FOCAL} 0", "P_rect_02: -12 0"))
    with pytest.raises(DataError, match=r"P_rect_02: .*negative"):
        open_raw(root)
    calibration.write_text(CAM.replace("P_rect_02", "P_rect_04"))
    with pytest.raises(DataError, match=r"calib_cam_to_cam.txt: P_rect_02 needs 12 numbers, found 0"):
        open_raw(root)


def test_nothing_found_says_what_was_expected(tmp_path):
    with pytest.raises(DataError, match="no frame of split 'eigen' found; expected DATE/DRIVE_sync"):
        open_raw(tmp_path, split="eigen")


def test_recorded_ground_truth_equals_the_published_one(recordings):
    dataset = open_raw(recordings / "kitti_raw", split="drive_0060")
    assert len(dataset.targets) == dataset.expected == 13
    expected = dataset.root / dataset.targets[0].sequence.replace("image_02", "expected_depth/image_02")
    for key in dataset.targets:
        published = read_depth(expected / f"{key.name}.png", 256)
        difference = np.abs(dataset.read(key).depth - published)[:, 1:-1]  # the README of the data tells why
        assert difference.max() <= 1 / 256 and (published > 0).sum() > 10_000
    wrong = open_raw(recordings / "kitti_raw", split="drive_0060", depth="camera_z").read(key).depth
    assert np.abs(wrong - published).max() > 0.2  # the comparison can fail
