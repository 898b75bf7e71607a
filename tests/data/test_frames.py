import json
import shutil

import numpy as np
import pytest
from PIL import ExifTags, Image

from lumde.data.folder import counts_from_names, match_poses, positions_from_times
from lumde.data.frames import Frames
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.errors import ConfigError, DataError
from lumde.media.cameras import Camera, write_camera
from lumde.media.depth_png import write_depth
from lumde.media.images import write_png
from lumde.media.poses import write_tum
from lumde.media.sources import image_camera

HEIGHT, WIDTH, COUNT = 24, 32, 6
CAMERA = Camera(np.array([[30.0, 0, 15.0], [0, 30.0, 12.0], [0, 0, 1]]), WIDTH, HEIGHT)


def picture(value: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), value, np.uint8)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Two sequences, `a` with everything and `b` with pictures only; frame i is grey level 10 i."""
    tmp_path = tmp_path_factory.mktemp("frames")
    for name in ("a", "b"):
        (tmp_path / name / "image").mkdir(parents=True)
        for i in range(COUNT):
            write_png(tmp_path / name / "image" / f"f{i}.png", picture(10 * i))
    folder = tmp_path / "a"
    for kind in ("depth", "mask", "right"):
        (folder / kind).mkdir()
    for i in range(COUNT):
        write_depth(folder / "depth" / f"f{i}.png", np.full((HEIGHT, WIDTH), 1.0 + i), 1000)
        write_png(folder / "right" / f"f{i}.png", picture(10 * i + 1))
    everywhere, second = np.full((HEIGHT, WIDTH), 255, np.uint8), np.full((HEIGHT, WIDTH), 255, np.uint8)
    everywhere[-4:], second[:, 0] = 0, 0
    write_png(folder / "mask" / "all.png", everywhere)
    write_png(folder / "mask" / "f2.png", second)
    write_camera(folder / "camera.yaml", Camera(CAMERA.intrinsics, WIDTH, HEIGHT, baseline=0.2))
    poses = np.tile(np.eye(4), (COUNT, 1, 1))
    poses[:, 0, 3] = np.arange(COUNT)
    write_tum(folder / "groundtruth.txt", np.arange(COUNT) / 10, poses)
    (tmp_path / "dataset.yaml").write_text("depth_scale: 1000\nmin_depth: 0.5\nmax_depth: 20\n")
    return tmp_path


@pytest.fixture
def root(template, tmp_path):
    """A copy to spoil."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path


def open_frames(root, **config) -> Frames:
    return Frames(Frames.Config(root=str(root), **config))


def names(dataset: Frames) -> list[str]:
    return [key.name for key in dataset.targets]


def test_a_full_sequence_gives_every_field(root):
    dataset = open_frames(root, sequences=("a",))
    assert dataset.provides == ("sources", "depth", "pose", "mask", "right")
    assert all(dataset.has_partner(key) for key in dataset.targets)
    assert (dataset.min_depth, dataset.max_depth) == (0.5, 20)
    frame = dataset.read(dataset.targets[2])
    assert (frame.image == 20).all() and (frame.right == 21).all() and frame.baseline == 0.2
    np.testing.assert_allclose(frame.depth, 3.0)
    np.testing.assert_array_equal(frame.intrinsics, CAMERA.intrinsics)
    assert frame.world_from_camera[0, 3] == 2
    assert not frame.mask[-4:].any() and not frame.mask[:, 0].any() and frame.mask[:-4, 1:].all()
    assert dataset.read(dataset.targets[3]).mask[:-4].all()  # only the mask for every frame
    sparing = dataset.read_fields(dataset.targets[2], ())
    assert sparing.depth is None and sparing.mask is None and sparing.right is None


def test_fields_that_not_all_of_the_folder_has(root):
    dataset = open_frames(root)
    assert len(dataset.targets) == 2 * COUNT
    assert (
        "pose" not in dataset.provides and "depth" in dataset.provides
    )  # depth is optional per frame, poses not
    assert dataset.clips["b"].camera.source.startswith("assumed")
    fov = 2 * np.degrees(np.arctan(WIDTH / 2 / dataset.read(dataset.targets[-1]).intrinsics[0, 0]))
    assert fov == pytest.approx(60)


def test_a_single_sequence_and_loose_pictures_are_datasets(root):
    shutil.copy(root / "dataset.yaml", root / "a" / "dataset.yaml")
    assert [key.sequence for key in open_frames(root / "a").targets] == ["a"] * COUNT
    loose = open_frames(root / "b" / "image")
    assert len(loose.targets) == COUNT and loose.provides == ("sources",)


def test_natural_order_and_ranges(root):
    (root / "b" / "image" / "f10.png").write_bytes((root / "b" / "image" / "f5.png").read_bytes())
    dataset = open_frames(root, sequences=("b",))
    assert names(dataset) == ["f0", "f1", "f2", "f3", "f4", "f5", "f10"]
    part = open_frames(root, sequences=("a",), frames="2:5")
    assert names(part) == ["f2", "f3", "f4"]
    assert part.neighbour(part.targets[0], -1) is None and part.neighbour(part.targets[2], 1) is None
    assert part.neighbour(part.targets[0], 1).name == "f3"
    assert part.read(part.targets[0]).world_from_camera[0, 3] == 2  # poses count the whole sequence
    two = open_frames(root, sequences=("a",), frames="0:2,4:")
    assert names(two) == ["f0", "f1", "f4", "f5"]
    assert two.neighbour(two.targets[1], 1) is None and two.neighbour(two.targets[2], 1).name == "f5"
    for wrong in ("5:2", "a:b", "3", "-2:", "0:2,5", "0:2,"):
        with pytest.raises(ConfigError, match="frames"):
            open_frames(root, frames=wrong)
    with pytest.raises(DataError, match="no frame in range '90:'"):
        open_frames(root, frames="90:")


def test_splits_of_the_description(root):
    with (root / "dataset.yaml").open("a") as stream:
        stream.write("splits: {train: ['a 0:2', 'a 4:', b], test: [a]}\n")
    assert names(open_frames(root, split="train")) == [
        "f0",
        "f1",
        "f4",
        "f5",
        *(f"f{i}" for i in range(COUNT)),
    ]
    with pytest.raises(ConfigError, match="did you mean 'test'"):
        open_frames(root, split="tests")
    with pytest.raises(ConfigError, match="cannot be combined"):
        open_frames(root, split="test", frames="1:2")
    with pytest.raises(ConfigError, match="sequence 'c'"):
        open_frames(root, sequences=("c",))


def write_manifest(root, times):
    lines = [{"path": f"a/image/f{i}.png", "timestamp": time} for i, time in enumerate(times)]
    (root / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")


def test_a_gap_in_time_parts_neighbours(root):
    write_manifest(root, [0.0, 0.1, 0.2, 0.5, 0.6, 0.7])
    (root / "a" / "groundtruth.txt").unlink()
    dataset = open_frames(root, sequences=("a",))
    assert dataset.neighbour(dataset.targets[2], 1) is None
    assert dataset.neighbour(dataset.targets[3], -3).name == "f2"  # 0.3 s earlier
    assert dataset.read(dataset.targets[3]).timestamp == 0.5
    snippets = Snippets(dataset, SnippetConfig(height=HEIGHT, width=WIDTH), ("sources",))
    report = dict.fromkeys(("no_partner", "static", "unreadable"), 0)
    assert snippets.report == report | {"frames": 6, "no_neighbour": 4, "usable": 2}


def test_a_deleted_picture_and_a_second_piece_part_neighbours(root):
    (root / "b" / "image" / "f3.png").unlink()
    dataset = open_frames(root, sequences=("b",))
    assert [key.position for key in dataset.targets] == [0, 1, 2, 4, 5]
    for i in range(9):
        write_png(root / "b" / "image" / f"g{i}.png", picture(i))
    again = open_frames(root, sequences=("b",))
    last_f, first_g = again.targets[4], again.targets[5]
    assert (last_f.name, first_g.name) == ("f5", "g0") and again.neighbour(last_f, 1) is None
    assert again.neighbour(first_g, -1) is None and again.neighbour(first_g, 1).name == "g1"


def test_poses_match_by_time_then_by_order(root):
    path = root / "a" / "groundtruth.txt"
    poses = np.tile(np.eye(4), (30, 1, 1))
    poses[:, 0, 3] = np.arange(30)
    write_tum(path, np.arange(30) / 50, poses)
    with pytest.raises(DataError, match="30 poses for 6 frames"):
        open_frames(root)
    write_manifest(root, np.arange(COUNT) / 10)
    dataset = open_frames(root, sequences=("a",))
    assert [dataset.read(key).world_from_camera[0, 3] for key in dataset.targets] == [0, 5, 10, 15, 20, 25]
    write_tum(path, 1000 + np.arange(COUNT) / 10, poses[:COUNT])  # another clock: by order
    assert open_frames(root, sequences=("a",)).read(dataset.targets[4]).world_from_camera[0, 3] == 4


def test_a_video_is_to_be_prepared_first(tmp_path):
    (tmp_path / "drive.mp4").write_bytes(b"")
    with pytest.raises(DataError, match="lumde prepare"):
        open_frames(tmp_path / "drive.mp4")


@pytest.mark.parametrize("times", [np.arange(6.0), 7.5 + np.arange(6) / 10, np.arange(6) / 30 + 100])
def test_poses_of_another_clock_or_rate_are_taken_in_order(times, tmp_path):
    poses = np.tile(np.eye(4), (6, 1, 1))
    poses[:, 0, 3] = np.arange(6)
    write_tum(tmp_path / "poses.txt", times, poses)
    assert np.allclose(match_poses(tmp_path / "poses.txt", [n / 10 for n in range(6)], 6), poses)


@pytest.mark.parametrize("seconds", [[0, 0.1, 0.2, 3.3, 3.4, 3.5], [5.7, 6.7, 7.7, 8.7, 9.7, 10.7]])
def test_numbered_poses_are_taken_in_order_whatever_the_frames_times(seconds, tmp_path):
    poses = np.tile(np.eye(4), (6, 1, 1))
    poses[:, 0, 3] = np.arange(6)
    write_tum(tmp_path / "poses.txt", np.arange(6.0), poses)
    assert np.allclose(match_poses(tmp_path / "poses.txt", [float(s) for s in seconds], 6), poses)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (np.arange(6) / 10 + 0.2, r"times are \+0.2 s from the frames'"),
        (np.arange(6) / 10 - 0.3, r"times are -0.3 s from the frames'"),
        (100 + np.array([0, 1, 2, 3, 9, 10]) / 10, "do not pass as the frames' do"),
    ],
)
def test_poses_whose_times_speak_against_their_order_are_refused(times, message, tmp_path):
    write_tum(tmp_path / "poses.txt", times, np.tile(np.eye(4), (6, 1, 1)))
    with pytest.raises(DataError, match=message):
        match_poses(tmp_path / "poses.txt", [n / 10 for n in range(6)], 6)


@pytest.mark.parametrize(
    ("metres", "shape", "scale", "text"),
    [
        (2.0, (24, 32), 1000, "1000 (millimetres: f0.png is then 2.00 m away)"),
        (12.0, (10, 33), 256, "256 (KITTI"),
    ],
)
def test_a_missing_depth_scale_names_the_likely_one(root, metres, shape, scale, text):
    (root / "dataset.yaml").write_text("min_depth: 0.1\n")
    write_depth(root / "a" / "depth" / "f0.png", np.full(shape, metres), scale)
    with pytest.raises(DataError) as caught:
        open_frames(root)
    assert "dataset.yaml: depth_scale" in str(caught.value) and text in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("depth_scal: 1000", "did you mean 'depth_scale'"),
        ("depth_scale: -1", "positive"),
        ("- 1", "dataset.yaml"),
    ],
)
def test_a_wrong_description_is_refused(root, text, message):
    (root / "dataset.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        open_frames(root)


def test_implausible_and_distorted_cameras_are_refused(root):
    path = root / "a" / "camera.yaml"
    path.write_text("0.58 1.92 0.5 0.5\n")
    with pytest.raises(DataError, match="normalised"):
        open_frames(root)
    write_camera(path, Camera(CAMERA.intrinsics, WIDTH, HEIGHT, distortion=(0.1, 0.0, 0.0, 0.0)))
    with pytest.raises(DataError, match="lumde prepare"):
        open_frames(root)
    write_camera(path, CAMERA)
    with pytest.raises(DataError, match="baseline"):
        open_frames(root)


def test_a_picture_or_mask_of_another_size_is_named(root):
    write_png(root / "a" / "image" / "f4.png", np.zeros((HEIGHT, WIDTH + 2, 3), np.uint8))
    write_png(root / "a" / "mask" / "f1.png", np.zeros((HEIGHT, WIDTH + 2), np.uint8))
    dataset = open_frames(root, sequences=("a",))
    with pytest.raises(DataError, match=r"f4.png: 34x24, but its sequence is 32x24"):
        dataset.read(dataset.targets[4])
    with pytest.raises(DataError, match=r"mask/f1.png: mask of 34x24"):
        dataset.read(dataset.targets[1])


def test_a_broken_picture_is_named(root):
    path = root / "b" / "image" / "f2.png"
    path.write_bytes(path.read_bytes()[:60])
    dataset = open_frames(root, sequences=("b",))
    with pytest.raises(DataError, match="f2.png"):
        dataset.read(dataset.targets[2])


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        open_frames(tmp_path / "x")
    with pytest.raises(DataError, match="no sequence"):
        open_frames(tmp_path)
    (tmp_path / "image").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        open_frames(tmp_path)


@pytest.mark.parametrize("name", ["../x.png", "/etc/passwd", "a\\b", "a/../../x", "", "a\x00b", 7])
def test_names_of_a_manifest_stay_inside(root, name):
    (root / "manifest.jsonl").write_text(json.dumps({"path": name, "timestamp": 1.0}) + "\n")
    if name == 7:
        assert open_frames(root).targets  # a name that matches no picture
        return
    with pytest.raises(DataError):
        open_frames(root)


@pytest.mark.parametrize("line", ["{", "[]", "7", '{"timestamp": 1}', '{"path": "a", "timestamp": "x"}'])
def test_a_broken_manifest_is_named_with_its_line(root, line):
    (root / "manifest.jsonl").write_text(f'{{"path": "a/image/f0.png"}}\n{line}\n')
    with pytest.raises(DataError, match=r"manifest.jsonl:2"):
        open_frames(root)


def test_exif_gives_the_focal_length(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 50  # FocalLengthIn35mmFilm
    Image.fromarray(picture(3)).save(tmp_path / "1.jpg", exif=exif)
    camera = open_frames(tmp_path).clips[tmp_path.name].camera
    assert camera.source == "EXIF focal length" and not camera.assumed


def test_the_recorded_kitchen(recordings):
    dataset = open_frames(recordings / "indoor", frames="60:250")
    assert dataset.provides == ("sources", "depth", "pose") and len(dataset.targets) == 190
    frame = dataset.read(dataset.targets[0])
    assert frame.image.shape == (480, 640, 3) and 0.5 < np.median(frame.depth[frame.depth > 0]) < 5
    moved = frame.world_from_camera[:3, 3] - dataset.read(dataset.targets[1]).world_from_camera[:3, 3]
    assert np.linalg.norm(moved) < 0.2


def test_recorded_loose_photographs_are_eight_views_of_six_rooms(recordings):
    dataset = open_frames(recordings / "auxiliary" / "indoor")
    assert len(dataset.targets) == 48 and dataset.provides == ("sources",)
    ends = [key.name for key in dataset.targets if dataset.neighbour(key, 1) is None]
    assert ends == [*(f"nyu_{room}_7" for room in range(4)), "scannet_0_7", "scannet_1_7"]


def test_the_frames_of_many_pieces_all_keep_their_neighbours():
    """24 clips side by side in one folder: counting has room for all of them, whatever their numbers."""
    names = [f"clip{c:02d}_{1_000_000_000 * c + i:012d}" for c in range(24) for i in range(20)]
    positions = positions_from_times(counts_from_names(names), len(names))
    steps = np.diff(positions).reshape(-1)
    inside = np.arange(1, len(names)) % 20 != 0
    assert (steps[inside] == 1).all() and (steps[~inside] > 1).all()


def test_two_files_of_one_frame_are_refused(root):
    write_png(root / "b" / "image" / "f3.PNG", picture(1))
    with pytest.raises(DataError, match=r"f3.PNG and f3.png|f3.png and f3.PNG"):
        Frames(Frames.Config(root=str(root)))


def test_exif_is_read_as_predict_reads_it(tmp_path):
    """Of a picture turned by its orientation tag too; a focal length that cannot be true is none."""
    for i, (focal, source) in enumerate([(28, "EXIF focal length"), (400, "assumed")]):
        folder = tmp_path / str(i)
        folder.mkdir()
        for name in ("a.jpg", "b.jpg"):
            image = Image.fromarray(picture(9))
            exif = image.getexif()
            exif[ExifTags.Base.Orientation] = 6
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = focal
            image.save(folder / name, exif=exif)
        camera = next(iter(Frames(Frames.Config(root=str(folder))).clips.values())).camera
        known = image_camera(folder / "a.jpg")
        assert camera.source.startswith(source) and camera.source == known.source
        np.testing.assert_array_equal(camera.intrinsics, known.intrinsics)


def test_depth_and_partner_of_another_shape_are_refused(root):
    """Depth as the sensor lies, beside a picture that its EXIF tag turns upright, say."""
    write_depth(root / "a" / "depth" / "f1.png", np.ones((WIDTH, HEIGHT)), 1000)
    write_depth(root / "a" / "depth" / "f2.png", np.ones((HEIGHT // 2, WIDTH // 2)), 1000)  # coarser is fine
    write_png(root / "a" / "right" / "f3.png", np.zeros((HEIGHT, WIDTH + 2, 3), np.uint8))
    dataset = open_frames(root, sequences=("a",))
    with pytest.raises(DataError, match=r"depth/f1.png: depth of 24x32 for a picture of 32x24"):
        dataset.read(dataset.targets[1])
    assert dataset.read(dataset.targets[2]).depth is not None
    with pytest.raises(DataError, match=r"right/f3.png: of another size"):
        dataset.read(dataset.targets[3])
