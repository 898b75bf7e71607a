import shutil

import numpy as np
import pytest

from lumde.data.kitti_odometry import KittiOdometry
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.errors import ConfigError, DataError
from lumde.media.images import write_png

HEIGHT, WIDTH, COUNT = 10, 20, 5
CALIB = "".join(f"P{i}: 12 0 10 {x} 0 12 5 0 0 0 1 0\n" for i, x in enumerate((0, -6, 0.6, -5.4)))


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Sequence 03 in grey and colour with poses (1 m ahead per frame), 04 in grey without."""
    tmp_path = tmp_path_factory.mktemp("kitti_odometry")
    for name, cameras in (("03", (0, 1, 2, 3)), ("04", (0,))):
        folder = tmp_path / "sequences" / name
        for camera in cameras:
            (folder / f"image_{camera}").mkdir(parents=True)
            for i in range(COUNT):
                value = np.full((HEIGHT, WIDTH), 10 * i + camera, np.uint8)
                write_png(folder / f"image_{camera}" / f"{i:06d}.png", value)
        (folder / "calib.txt").write_text(CALIB)
        (folder / "times.txt").write_text("".join(f"{i / 10:e}\n" for i in range(COUNT)))
    (tmp_path / "poses").mkdir()
    # looking along the world's x axis: the camera's right is the world's -y
    rows = [f"0 0 1 {i} -1 0 0 0 0 -1 0 0\n" for i in range(COUNT)]
    (tmp_path / "poses" / "03.txt").write_text("".join(rows))
    return tmp_path


@pytest.fixture
def root(template, tmp_path):
    """A copy to spoil."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path


def open_odometry(root, **config) -> KittiOdometry:
    return KittiOdometry(KittiOdometry.Config(root=str(root), **config))


def test_colour_comes_before_grey_and_poses_where_published(root):
    dataset = open_odometry(root, sequences=("03",))
    assert dataset.provides == ("sources", "pose", "right") and len(dataset.targets) == COUNT
    frame = dataset.read(dataset.targets[3])
    assert (frame.image == 32).all() and frame.timestamp == pytest.approx(0.3)
    assert open_odometry(root).provides == ("sources", "right")  # 04 has no poses
    assert open_odometry(root, sequences=("04",)).provides == ("sources",)


def test_poses_are_those_of_the_camera_that_took_the_picture(root):
    dataset = open_odometry(root, sequences=("03",))
    # camera 2 lies 0.6 / 12 = 0.05 m to the left of camera 0, which is the world's +y
    np.testing.assert_allclose(
        dataset.read(dataset.targets[2]).world_from_camera[:3, 3], [2, 0.05, 0], atol=1e-12
    )
    snippets = Snippets(dataset, SnippetConfig(height=HEIGHT, width=WIDTH), ("sources", "pose"))
    motions = snippets[0]["source_from_target"]
    np.testing.assert_allclose(motions[:, :3, 3], [[0, 0, 1], [0, 0, -1]], atol=1e-6)
    np.testing.assert_allclose(motions[:, :3, :3], np.tile(np.eye(3), (2, 1, 1)), atol=1e-6)


def test_the_partner_has_its_baseline(root):
    dataset = open_odometry(root, sequences=("03",))
    frame = dataset.read(dataset.targets[1])
    assert (frame.right == 13).all() and frame.baseline == pytest.approx(0.5)


def test_ranges_and_splits(root, tmp_path):
    part = open_odometry(root, sequences=("03",), frames="1:3")
    assert [key.position for key in part.targets] == [1, 2] and part.neighbour(part.targets[0], -1) is None
    split = tmp_path / "split.txt"
    split.write_text("3 1 l\n3 4 r\n3 9 l\n8 1 l\n")
    dataset = open_odometry(root, split=str(split))
    assert dataset.expected == 4 and [int(dataset.read(k).image[0, 0, 0]) for k in dataset.targets] == [
        12,
        43,
    ]
    assert dataset.read(dataset.targets[1]).baseline == pytest.approx(-0.5)
    with pytest.raises(ConfigError, match="cannot be combined"):
        open_odometry(root, split=str(split), frames="1:2")
    split.write_text("../../etc 1 l\n")
    with pytest.raises(DataError, match="not a plain path"):
        open_odometry(root, split=str(split))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("poses/03.txt", "1 0 0 0 0 1 0 0 0 0 1 0\n", "1 poses, but frame 4 exists"),
        ("sequences/03/times.txt", "0\n1\n", "2 times, but frame 4 exists"),
        ("sequences/03/times.txt", "zero\n", "one time in seconds per line"),
        ("sequences/03/calib.txt", "P0: 1 2\n", r"calib.txt: P2 needs 12 numbers"),
        ("sequences/03/calib.txt", CALIB.replace("12 0 10", "0.6 0 0.5"), "calib.txt: P2"),
    ],
)
def test_companions_that_do_not_fit_are_named(root, name, text, message):
    (root / name).write_text(text)
    with pytest.raises(DataError, match=message):
        open_odometry(root, sequences=("03",))


def test_frames_without_a_partner_are_counted_not_read(root):
    dataset = open_odometry(root)  # 03 is stereo, 04 is not
    snippets = Snippets(dataset, SnippetConfig(height=8, width=16, offsets=(), stereo=True), ("sources",))
    assert len(snippets) == COUNT and snippets.report["no_partner"] == COUNT


def test_nothing_there_is_said(tmp_path, root):
    with pytest.raises(DataError, match="expected sequences/NN"):
        open_odometry(tmp_path / "poses")
    with pytest.raises(DataError, match="09: no pictures"):
        open_odometry(root, sequences=("09",))


def test_the_recorded_sequence_moves_ahead(recordings):
    dataset = open_odometry(recordings / "kitti_odometry", sequences=("06",))
    assert len(dataset.targets) == 51 and dataset.provides == ("sources", "pose")
    snippets = Snippets(dataset, SnippetConfig(height=96, width=320), ("sources", "pose"))
    ahead = np.array([snippets[i]["source_from_target"][1, 2, 3] for i in range(0, 49, 12)])
    assert (abs(ahead + 1.15) < 0.25).all()  # the next camera is 1.2 m ahead: points come nearer


def test_pictures_that_are_not_numbered_are_named(root):
    for path in (root / "sequences" / "04" / "image_0").iterdir():
        path.rename(path.with_name(f"left_{path.name}"))
    with pytest.raises(DataError, match=r"04/image_0: no picture is named by a number"):
        open_odometry(root, sequences=("04",))
