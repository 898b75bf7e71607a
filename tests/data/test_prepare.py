"""`prepare`: the dataset folder is complete or absent, its cameras true, its sequences unbroken."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import damage, number_of, set_rotation_tag, write_clip, write_pictures
from kornia.geometry.calibration import undistort_image
from PIL import Image

from lumde import cli
from lumde.data.prepare import PrepareOptions, prepare
from lumde.data.rectify import Rectifier
from lumde.errors import DataError, UsageError
from lumde.files import sha256
from lumde.media.cameras import Camera, assumed_camera, camera_from_focal, read_camera, write_camera
from lumde.media.images import read_image


def _run(sources, out, **options):
    return prepare([str(source) for source in sources], out, PrepareOptions(**options))


def _manifest(out):
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def _numbers(out, sequence):
    return [number_of(read_image(path)) for path in sorted((out / sequence / "image").iterdir())]


def test_video_becomes_frames_camera_and_manifest(tmp_path):
    clip = write_clip(tmp_path / "drive.mp4")
    (report,) = _run([clip], tmp_path / "out", fps=5, fov_deg=90)
    lines = _manifest(tmp_path / "out")
    assert [line["path"] for line in lines] == [f"drive/image/{i:06d}.jpg" for i in range(6)]
    assert [line["timestamp"] for line in lines] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0], abs=1e-3)
    assert [line["source"] for line in lines] == [f"{clip}#{i}" for i in range(0, 12, 2)]
    for line in lines:
        assert line["sha256"] == sha256(tmp_path / "out" / line["path"])
        assert (line["width"], line["height"]) == (64, 48)
    assert _numbers(tmp_path / "out", "drive") == [0, 2, 4, 6, 8, 10]
    camera = read_camera(tmp_path / "out" / "drive" / "camera.yaml")
    np.testing.assert_allclose(camera.intrinsics, [[32, 0, 31.5], [0, 32, 23.5], [0, 0, 1]])
    assert (report.frames, report.decoded, report.damaged, report.missing) == (6, 12, 0, 0)
    assert {path.name for path in tmp_path.iterdir()} == {"drive.mp4", "out"}  # no temporary left


def test_more_frames_per_second_than_there_are_break_no_sequence(tmp_path):
    (report,) = _run([write_clip(tmp_path / "slow.mp4")], tmp_path / "out", fps=100)
    assert (report.frames, report.sequences) == (12, 1)


def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "a.mp4", 2)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UsageError, match="is the current folder"):
        _run([clip], Path())
    assert (tmp_path / "here").is_dir()


def test_unknown_camera_is_marked_assumed(tmp_path):
    (report,) = _run([write_clip(tmp_path / "a.mp4", 2)], tmp_path / "out")
    assert report.assumed and "camera_name: assumed" in (tmp_path / "out/a/camera.yaml").read_text()
    assert read_camera(tmp_path / "out/a/camera.yaml").assumed


def test_size_carries_the_camera_along(tmp_path):
    _run([write_clip(tmp_path / "a.mp4", 2)], tmp_path / "out", focal_px=60, size=(32, 12))
    camera = read_camera(tmp_path / "out/a/camera.yaml")
    # f' = f s and c' = (c + .5) s - .5 with s = 1/2 across and 1/4 down
    np.testing.assert_allclose(camera.intrinsics, [[30, 0, 15.5], [0, 15, 5.5], [0, 0, 1]])
    assert read_image(tmp_path / "out/a/image/000000.jpg").shape == (12, 32, 3)


@pytest.mark.parametrize(
    ("turns", "intrinsics"),
    [(1, [[52, 0, 20.5], [0, 50, 33]]), (3, [[52, 0, 26.5], [0, 50, 30]]), (0, [[50, 0, 33], [0, 52, 26.5]])],
)
def test_rotation_tag_turns_picture_and_camera(tmp_path, turns, intrinsics):
    write_camera(tmp_path / "c.yaml", Camera(np.array([[50, 0, 33], [0, 52, 26.5], [0, 0, 1.0]]), 64, 48))
    set_rotation_tag(write_clip(tmp_path / "a.mp4", 2), turns)
    _run([tmp_path / "a.mp4"], tmp_path / "out", camera=tmp_path / "c.yaml")
    image = read_image(tmp_path / "out/a/image/000000.jpg")
    assert image.shape == ((64, 48, 3) if turns % 2 else (48, 64, 3))
    assert image[{0: (0, 0), 1: (0, -1), 3: (-1, 0)}[turns]].min() > 200
    # A quarter clockwise puts the pixel (x, y) at (47 - y, x), counter-clockwise at (y, 63 - x).
    np.testing.assert_allclose(read_camera(tmp_path / "out/a/camera.yaml").intrinsics[:2], intrinsics)


def test_exif_orientation_turns_picture_and_camera(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    write_pictures(tmp_path / "a", ["1.jpg"], exif=exif)
    write_camera(tmp_path / "c.yaml", Camera(np.array([[50, 0, 33], [0, 52, 26.5], [0, 0, 1.0]]), 64, 48))
    _run([tmp_path / "a"], tmp_path / "out", camera=tmp_path / "c.yaml")
    image = tmp_path / "out/a/image/1.jpg"
    assert read_image(image).shape == (64, 48, 3) and Image.open(image).getexif().get(0x0112, 1) == 1
    np.testing.assert_allclose(
        read_camera(tmp_path / "out/a/camera.yaml").intrinsics[:2], [[52, 0, 20.5], [0, 50, 33]]
    )


def test_pictures_keep_their_bytes_and_the_users_files_stay(tmp_path):
    folder = write_pictures(tmp_path / "a", ["f1.jpg", "f2.png", "f10.jpg", "f10.png"])
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    (report,) = _run([folder / "*"], tmp_path / "out")
    names = [line["path"].split("/")[-1] for line in _manifest(tmp_path / "out")]
    assert names == ["f1.jpg", "f2.png", "f10.jpg", "f10-2.png"] and report.frames == 4
    digests = [
        hashlib.sha256(before[name][0]).hexdigest() for name in ("f1.jpg", "f2.png", "f10.jpg", "f10.png")
    ]
    assert [line["sha256"] for line in _manifest(tmp_path / "out")] == digests
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before


def test_other_formats_and_sizes_are_converted(tmp_path):
    folder = write_pictures(tmp_path / "a", ["1.bmp", "2.webp"])
    write_pictures(folder, ["3.png", "4.png"], 40, 30)
    (report,) = _run([folder], tmp_path / "out")
    assert [line["path"] for line in _manifest(tmp_path / "out")] == [
        "a/image/1.png",
        "a/image/2.jpg",
        "a_part2/image/3.png",  # another size: another sequence with its own camera
        "a_part2/image/4.png",
    ]
    assert report.sequences == 2 and read_camera(tmp_path / "out/a_part2/camera.yaml").width == 40


def test_damaged_frames_break_the_sequence(tmp_path):
    path = write_clip(tmp_path / "a.mp4", 24, gop=8, noise=25)
    damage(path, 10)
    (report,) = _run([path], tmp_path / "out", fov_deg=60)
    assert (report.decoded, report.damaged, report.missing, report.sequences) == (18, 6, 0, 2)
    assert _numbers(tmp_path / "out", "a") == list(range(10))
    assert _numbers(tmp_path / "out", "a_part2") == list(range(16, 24))
    one, two = (read_camera(tmp_path / "out" / name / "camera.yaml") for name in ("a", "a_part2"))
    np.testing.assert_array_equal(one.intrinsics, two.intrinsics)


def test_a_gap_in_time_breaks_the_sequence(tmp_path):
    times = [0, 100, 200, 300, 1500, 1600, 1700]
    _run([write_clip(tmp_path / "a.mkv", 7, times_ms=times)], tmp_path / "out", fps=10)
    assert _numbers(tmp_path / "out", "a") == [0, 1, 2, 3] and _numbers(tmp_path / "out", "a_part2") == [
        4,
        5,
        6,
    ]


def test_few_broken_pictures_are_left_out_many_stop(tmp_path):
    folder = write_pictures(tmp_path / "a", [f"{i:03d}.png" for i in range(100)], 8, 6)
    whole = (folder / "050.png").read_bytes()
    (folder / "050.png").write_bytes(whole[:-40])
    (report,) = _run([folder], tmp_path / "out")
    assert (report.frames, report.damaged, report.sequences) == (99, 1, 2) and "050.png" in report.problems[0]
    assert sorted(p.name for p in (tmp_path / "out/a_part2/image").iterdir())[0] == "051.png"
    (folder / "060.png").write_bytes(whole[:-40])
    with pytest.raises(DataError, match="060.png.*of 100 pictures more than 1% fail"):
        _run([folder], tmp_path / "out2")
    assert not (tmp_path / "out2").exists()


DISTORTED = Camera(
    np.array([[60, 0, 30.0], [0, 62, 25], [0, 0, 1]]), 64, 48, (-0.25, 0.05, 0.003, -0.002, 0.0)
)
PINCUSHION = Camera(DISTORTED.intrinsics, 64, 48, (0.3, 0.0, 0.0, 0.0))


@pytest.mark.parametrize("camera", [DISTORTED, PINCUSHION])
def test_rectifier_equals_kornia(camera):
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    rectifier = Rectifier(camera)
    straight = rectifier(image)
    expected = undistort_image(
        torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32)),
        torch.from_numpy(camera.intrinsics)[None].float(),
        torch.tensor([camera.distortion]),
    )[0].permute(1, 2, 0)
    seen = np.ones((48, 64), bool) if rectifier.mask is None else rectifier.mask
    assert np.abs(straight - expected.numpy())[seen].max() < 0.6
    assert np.abs(image.astype(float) - expected.numpy())[seen].max() > 50  # it does something
    assert rectifier.camera.distortion == () and not rectifier.keeps_pixels


def test_straight_lines_are_straight_after_rectifying():
    ramp = np.zeros((48, 64, 3), np.uint8)
    x = (np.arange(64) - 30) / 60
    y = np.full(64, (8 - 25) / 62)  # the world line v = 8, through Brown's model by hand
    k1, k2, p1, p2, _ = DISTORTED.distortion
    r2 = x * x + y * y
    v = (y * (1 + k1 * r2 + k2 * r2 * r2) + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y) * 62 + 25
    u = (x * (1 + k1 * r2 + k2 * r2 * r2) + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)) * 60 + 30
    height_at = np.interp(np.arange(64), u, v)
    ramp[..., 0] = np.clip(128 + 20 * (np.arange(48)[:, None] - height_at), 0, 255)  # 128 exactly on the line
    assert np.abs(ramp[8, 4:60, 0].astype(int) - 128).max() > 12
    straight = Rectifier(DISTORTED)(ramp)
    assert np.abs(straight[8, 4:60, 0].astype(int) - 128).max() <= 2


def test_distorted_video_is_stored_undistorted_with_a_mask(tmp_path):
    write_camera(tmp_path / "c.yaml", PINCUSHION)
    _run([write_clip(tmp_path / "a.mp4", 2)], tmp_path / "out", camera=tmp_path / "c.yaml", size=(32, 24))
    assert not read_camera(tmp_path / "out/a/camera.yaml").distorted
    mask = np.asarray(Image.open(tmp_path / "out/a/mask/all.png"))
    assert mask.shape == (24, 32) and mask[0, 0] == 0 and mask[12, 16] == 255  # pincushion: corners unseen


def test_two_recordings_with_one_name(tmp_path):
    (tmp_path / "x").mkdir()
    clips = [write_clip(tmp_path / "a.mp4", 2), write_clip(tmp_path / "x" / "a.mp4", 3)]
    _run(clips, tmp_path / "out")
    assert (len(_numbers(tmp_path / "out", "a")), len(_numbers(tmp_path / "out", "a-2"))) == (2, 3)


def test_output_that_holds_something_is_refused_and_untouched(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists and is not empty"):
        _run([clip], tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
    (tmp_path / "out" / "mine.txt").unlink()
    _run([clip], tmp_path / "out")  # an empty folder is welcome
    assert _numbers(tmp_path / "out", "a") == [0, 1]


def test_a_frame_rate_is_not_asked_of_pictures(tmp_path):
    write_pictures(tmp_path / "a", ["1.png"])
    with pytest.raises(UsageError, match="--fps"):
        _run([tmp_path / "a"], tmp_path / "out", fps=5)


def test_a_late_failure_leaves_nothing(tmp_path):
    write_camera(tmp_path / "c.yaml", camera_from_focal(60, 64, 48))
    good = write_clip(tmp_path / "a.mp4", 2)
    other = write_clip(tmp_path / "b.mp4", 2, (48, 48))
    with pytest.raises(DataError, match="another shape"):
        _run([good, other], tmp_path / "out", camera=tmp_path / "c.yaml")
    assert {path.name for path in tmp_path.iterdir()} == {"c.yaml", "a.mp4", "b.mp4"}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder / "nowhere.mp4", "no such file"),
        (lambda folder: folder, "no picture and no video"),
        (lambda folder: _written(folder / "a.jpg", b"<html>"), "HTML"),
        (lambda folder: _written(folder / "a.mp4", b"ffconcat version 1.0\n"), "playlist"),
        (lambda folder: _cut(write_clip(folder / "a.mp4")), "cut short"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_3(tmp_path, capsys, make, reason):
    (tmp_path / "in").mkdir()
    source = make(tmp_path / "in")
    assert cli.main(["prepare", str(source), "--out", str(tmp_path / "out")]) == 3
    message = capsys.readouterr().err
    assert reason in message and str(source) in message and "Traceback" not in message
    assert not (tmp_path / "out").exists()


def test_camera_that_cannot_be_true_is_refused(tmp_path, capsys):
    (tmp_path / "k.txt").write_text("721.5 721.5 609.6 172.9\n")  # KITTI's, for 64x48 pictures
    clip = write_clip(tmp_path / "a.mp4", 2)
    arguments = ["prepare", str(clip), "--out", str(tmp_path / "out"), "--camera", str(tmp_path / "k.txt")]
    assert cli.main(arguments) == 3
    assert "k.txt: fx 721.5" in capsys.readouterr().err and not (tmp_path / "out").exists()


def _written(path, data):
    path.write_bytes(data)
    return path


def _cut(path):
    return _written(path, path.read_bytes()[:-600])


def test_command_prints_the_counts(tmp_path, capsys):
    clip = write_clip(tmp_path / "a.mp4", 12)
    arguments = ["prepare", str(clip), "--out", str(tmp_path / "out"), "--fps", "5", "--size", "32x24"]
    assert cli.main([*arguments, "--json", str(tmp_path / "report.json")]) == 0
    printed = capsys.readouterr()
    assert "a: 6 frames in 1 sequence(s); 12 decoded, 0 damaged, 0 missing" in printed.out
    assert "assumed 60 degrees; give --camera" in printed.err
    assert json.loads((tmp_path / "report.json").read_text())["recordings"][0]["frames"] == 6
    assert cli.main(arguments) == 2
    assert cli.main([*arguments, "--size", "32"]) == 2
    assert cli.main([*arguments, "--fov", "60", "--focal", "50"]) == 2


def test_real_dashcam_is_prepared_with_its_camera(tmp_path, recordings):
    folder = recordings / "dashcam"
    (report,) = _run(
        [folder / "test_video.mp4"],
        tmp_path / "out",
        camera=folder / "test_video.camera.yaml",
        fps=5,
        size=(320, 180),
    )
    assert (report.frames, report.decoded, report.damaged, report.missing) == (8, 38, 0, 0)
    camera = read_camera(tmp_path / "out/test_video/camera.yaml")
    assert not camera.distorted and camera.intrinsics[0, 0] == pytest.approx(1155.95 / 4)
    assert camera.source != assumed_camera(320, 180).source


def test_a_broken_recording_takes_no_other_ones_name(tmp_path):
    times = [0, 100, 200, 5000, 5100, 9000, 9100]
    clips = [
        write_clip(tmp_path / "drive.mkv", 7, times_ms=times),
        write_clip(tmp_path / "drive_part2.mp4", 4),
    ]
    _run(clips, tmp_path / "out")
    found = {
        path.name: len(list((path / "image").iterdir()))
        for path in (tmp_path / "out").iterdir()
        if path.is_dir()
    }
    assert found == {"drive": 3, "drive_part3": 2, "drive_part4": 2, "drive_part2": 4}


def test_a_link_to_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    _run([write_clip(tmp_path / "a.mp4", 2)], tmp_path / "out")
    assert (tmp_path / "out").is_symlink() and (tmp_path / "disk" / "a" / "image").is_dir()


def test_a_size_that_turns_the_shape_around_is_refused(tmp_path):
    clip = write_clip(tmp_path / "phone.mp4", 2, size=(36, 64))
    with pytest.raises(DataError, match=r"--size 64x36 for pictures of 36x64"):
        _run([clip], tmp_path / "out", size=(64, 36))
    assert not (tmp_path / "out").exists()
