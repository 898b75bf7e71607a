import json
import os

import numpy as np
import pytest
import torch
from clips import set_rotation_tag, write_clip
from PIL import Image

from lumde.cli import predict as verb
from lumde.errors import DataError, UsageError
from lumde.jobs import predict
from lumde.jobs.depth_files import DepthFiles, png16_scale, point_cloud
from lumde.jobs.predict import FORMATS, CameraChoice, predict_source
from lumde.media.cameras import Camera, write_camera
from lumde.media.depth_png import read_depth
from lumde.media.sources import open_source
from lumde.media.video import VideoReader, VideoWriter
from lumde.models import DepthModel, ModelConfig, load, save, scaled
from lumde.nets import DEPTH_NETS

ALL = ("png16", "npy", "mp4", "ply")


def make_model(unit="relative", max_depth=100.0, seed=0):
    torch.manual_seed(seed)
    config = DEPTH_NETS["depth_small"].Config(name="depth_small", size="tiny", max_depth=max_depth)
    return DepthModel(
        ModelConfig(net=config, height=32, width=64, unit=unit), DEPTH_NETS["depth_small"](config)
    )


def frame(seed, height=36, width=50):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for i in (1, 2, 10):
        Image.fromarray(frame(i)).save(tmp_path / "in" / f"f{i}.png")
    return tmp_path / "in"


@pytest.fixture
def video(tmp_path):
    with VideoWriter(tmp_path / "drive.mp4", 5.0) as writer:
        for i in range(6):
            writer.add(frame(i))
    return tmp_path / "drive.mp4"


def test_a_folder_in_every_format(model, folder, tmp_path):
    out = tmp_path / "out"
    index = predict_source(folder, model, out, ALL)
    assert index == json.loads((out / "index.json").read_text()) | {"colour_range": index["colour_range"]}
    assert [f["name"] for f in index["frames"]] == ["f1", "f2", "f10"]
    assert (
        index["unit"] == "relative" and index["png16_scale"] == 512
    )  # 65535 / 100 units, power of two below
    assert index["size"] == [50, 36] and index["intrinsics_source"] == "assumed 60 degrees"
    assert index["intrinsics"][2:] == [24.5, 17.5]
    expected = model.predict(folder / "f10.png").depth
    exact = np.load(out / "npy" / "f10.npy")
    np.testing.assert_array_equal(exact, expected)
    stored = read_depth(out / "depth" / "f10.png", index["png16_scale"])
    assert stored.shape == (36, 50) and np.abs(stored - exact).max() <= 0.51 / 512
    assert not list(out.rglob(".*"))


def test_png_tells_its_unit_and_never_says_metres_without_scale(folder, tmp_path):
    for unit, scale in (("relative", 512.0), ("metres", 256.0)):
        predict_source(folder, make_model(unit), tmp_path / unit)
        with Image.open(tmp_path / unit / "depth" / "f1.png") as image:
            text = image.text
        assert text["Unit"] == unit and float(text["Scale"]) == scale
    assert "metres" not in json.dumps(json.loads((tmp_path / "relative" / "index.json").read_text()))


@pytest.mark.parametrize(
    ("unit", "max_depth"), [("relative", 100.0), ("relative", 1e5), ("metres", 80.0), ("metres", 1000.0)]
)
def test_no_depth_saturates(unit, max_depth):
    scale = png16_scale(unit, max_depth)
    assert max_depth * scale <= 65535
    assert scale == 256 or 2 * max_depth * scale > 65535  # and no bit is given away


def test_one_colour_range_over_the_clip(model, video, tmp_path, monkeypatch):
    used = []
    real = predict.colour_depth
    monkeypatch.setattr(
        predict, "colour_depth", lambda depth, limits: used.append(limits) or real(depth, limits)
    )
    index = predict_source(video, model, tmp_path / "out", ("mp4",))
    assert len(used) == 6 and set(used) == {index["colour_range"]}
    reader = VideoReader(tmp_path / "out" / "depth.mp4")
    assert reader.size == (100, 36) and len(list(reader)) == 6 and reader.frame_rate == pytest.approx(5)
    assert [f["timestamp"] for f in index["frames"]] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0], abs=1e-3)
    assert index["video"] == {"decoded": 6, "damaged": 0, "missing": 0}
    assert not (tmp_path / "out" / "depth").exists()


def test_sampling_of_a_long_clip_covers_it_evenly(model, monkeypatch, tmp_path, video):
    monkeypatch.setattr(predict, "SAMPLES", 1)
    seen = []
    monkeypatch.setattr(
        predict._Job, "_depth", lambda self, f: seen.append(f.name) or np.full((2, 2), 1.0 + len(seen))
    )
    source = open_source(video)
    job = predict._Job(source, model, DepthFiles(tmp_path, (), "relative", 1.0), CameraChoice(), {})
    limits = job.clip_range(predict.silent)
    assert seen == ["000000", "000001", "000002", "000004"]  # kept in the end: 0 and 4
    assert limits == (2.0, pytest.approx(5.05))  # a flat map is given a range of 1 %


class Stop(Exception):
    pass


def stop_after(count):
    def progress(frames, what, _):
        for i, item in enumerate(frames):
            if what == "predict: depth" and i == count:
                raise Stop
            yield item

    return progress


def test_an_interrupted_prediction_goes_on_and_ends_equal(model, video, tmp_path, monkeypatch):
    whole = predict_source(video, model, tmp_path / "whole", ALL)
    with pytest.raises(Stop):
        predict_source(video, model, tmp_path / "cut", ALL, progress=stop_after(4))
    assert not (tmp_path / "cut" / "index.json").exists() and not (tmp_path / "cut" / "depth.mp4").exists()
    assert len(list((tmp_path / "cut" / "npy").iterdir())) == 4
    cut = tmp_path / "cut" / "depth" / "000002.png"
    cut.write_bytes(cut.read_bytes()[:-40])  # damaged since
    (tmp_path / "cut" / "npy" / ".000004.npy.1.tmp").write_bytes(b"x")  # left by a kill
    predicted = []
    real = predict._Job._depth
    monkeypatch.setattr(predict._Job, "_depth", lambda self, f: predicted.append(f.name) or real(self, f))
    assert predict_source(video, model, tmp_path / "cut", ALL, resume=True) == whole
    assert predicted == ["000002", "000004", "000005"]
    files = sorted(
        path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file()
    )
    assert files == sorted(
        p.relative_to(tmp_path / "cut") for p in (tmp_path / "cut").rglob("*") if p.is_file()
    )
    for name in files:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes(), name


@pytest.mark.parametrize("damage", ["npy", "points"])
def test_damaged_files_are_made_again(model, folder, tmp_path, damage):
    predict_source(folder, model, tmp_path / "out", ("npy", "ply"))
    file = sorted((tmp_path / "out" / damage).iterdir())[0]
    before = file.read_bytes()
    file.write_bytes(before[:-3])
    predict_source(folder, model, tmp_path / "out", ("npy", "ply"), resume=True)
    assert file.read_bytes() == before


def test_a_camera_file_for_the_sensor_fits_pictures_that_stand_upright(model, tmp_path):
    """A phone's video with a rotation tag, calibrated as the sensor lies; `prepare` takes it as well."""
    set_rotation_tag(write_clip(tmp_path / "a.mp4", 2), 1)
    write_camera(tmp_path / "c.yaml", Camera(np.array([[50, 0, 33], [0, 52, 26.5], [0, 0, 1.0]]), 64, 48))
    choice = CameraChoice(file=tmp_path / "c.yaml")
    index = predict_source(tmp_path / "a.mp4", model, tmp_path / "out", ("npy",), choice)
    assert index["intrinsics"] == [52, 50, 20.5, 33] and "turned upright" in index["intrinsics_source"]


def test_resume_refuses_another_request(model, folder, tmp_path):
    predict_source(folder, model, tmp_path / "out")
    for change in (
        {"model": make_model(seed=1)},
        {"model": scaled(model, 1.1, model.config.unit)},  # the same weights, other limits of depth
        {"save": ("npy",)},
        {"choice": CameraChoice(fov_deg=50)},
    ):
        asked = {"source": folder, "model": model, "out": tmp_path / "out", "resume": True} | change
        with pytest.raises(UsageError, match="begun with another (model|save|camera)"):
            predict_source(**asked)
    with pytest.raises(UsageError, match="not empty"):
        predict_source(folder, model, tmp_path / "out")
    with pytest.raises(UsageError, match="no prediction to go on with"):
        predict_source(folder, model, folder, resume=True)


def test_points_lie_on_their_rays_and_the_sky_is_left_out():
    depth = np.full((4, 6), 2.0, np.float32)
    depth[0] = 500.0
    image = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    points, colours = point_cloud(depth, image, np.array([[10.0, 0, 2.5], [0, 20.0, 1.5], [0, 0, 1]]))
    assert len(points) == 18
    np.testing.assert_allclose(points[0], [(0 - 2.5) / 10 * 2, (1 - 1.5) / 20 * 2, 2.0], rtol=1e-6)
    assert tuple(colours[0]) == tuple(image[1, 0]) and tuple(colours[-1]) == tuple(image[3, 5])


def test_mixed_sizes_are_told_per_frame_and_refused_for_one_video(model, folder, tmp_path):
    Image.fromarray(frame(3, 20, 40)).save(folder / "f11.png")
    index = predict_source(folder, model, tmp_path / "out", ("npy",))
    assert index["size"] == [50, 36] and "size" not in index["frames"][0]
    assert index["frames"][3]["size"] == [40, 20] and index["frames"][3]["intrinsics"][2:] == [19.5, 9.5]
    assert np.load(tmp_path / "out" / "npy" / "f11.npy").shape == (20, 40)
    with pytest.raises(DataError, match=r"f11.png: 40x20, the first picture is 50x36"):
        predict_source(folder, model, tmp_path / "video", ("mp4",))
    assert not list((tmp_path / "video").iterdir())


def test_broken_pictures_are_left_out_and_named(model, folder, tmp_path):
    (folder / "f3.png").write_bytes((folder / "f2.png").read_bytes()[:200])
    index = predict_source(folder, model, tmp_path / "out")
    assert [f["name"] for f in index["frames"]] == ["f1", "f2", "f10"]
    assert index["skipped"][0]["name"] == "f3" and "f3.png" in index["skipped"][0]["problem"]
    for name in ("f1", "f2", "f10"):
        (folder / f"{name}.png").write_bytes(b"")
    for formats in (("png16",), ("mp4",)):
        with pytest.raises(DataError, match="no frame could be decoded"):
            predict_source(folder, model, tmp_path / "none", formats)
    with pytest.raises(DataError, match="f3.png"):
        predict_source(folder / "f3.png", model, tmp_path / "none")
    assert not list((tmp_path / "none").iterdir())


def test_pictures_of_one_name_do_not_overwrite_each_other(model, tmp_path):
    for i, place in enumerate(("a", "b")):
        (tmp_path / place).mkdir()
        Image.fromarray(frame(i)).save(tmp_path / place / "x.png")
    index = predict_source(str(tmp_path / "*" / "x.png"), model, tmp_path / "out", ("npy",))
    assert [f["name"] for f in index["frames"]] == ["x", "x-2"]
    assert not np.array_equal(np.load(tmp_path / "out/npy/x.npy"), np.load(tmp_path / "out/npy/x-2.npy"))


def test_cameras_given(model, folder, tmp_path):
    index = predict_source(folder, model, tmp_path / "focal", ("npy",), CameraChoice(focal_px=40))
    assert index["intrinsics"] == [40, 40, 24.5, 17.5] and index["intrinsics_source"].startswith("given")
    (tmp_path / "cam.txt").write_text("41 42 25 18\n")
    index = predict_source(folder, model, tmp_path / "file", ("npy",), CameraChoice(tmp_path / "cam.txt"))
    assert index["intrinsics"] == [41, 42, 25, 18] and index["intrinsics_source"] == "cam.txt"
    with pytest.raises(DataError, match="given"):
        predict_source(folder, model, tmp_path / "bad", ("npy",), CameraChoice(focal_px=0.5))
    assert not list((tmp_path / "bad").iterdir())


def test_points_through_a_distorting_lens_are_refused(model, folder, tmp_path):
    camera = tmp_path / "cameras.txt"
    camera.write_text("1 SIMPLE_RADIAL 50 36 40 25 18 -0.2\n")
    with pytest.raises(DataError, match="lens distortion"):
        predict_source(folder, model, tmp_path / "ply", ("ply",), CameraChoice(camera))
    index = predict_source(folder, model, tmp_path / "npy", ("npy",), CameraChoice(camera))
    assert index["intrinsics_source"].endswith("distortion ignored")


def test_without_a_model_the_shipped_one_is_used(folder, tmp_path, capsys):
    from lumde.cli import main

    assert main(["predict", str(folder), "--out", str(tmp_path / "out"), "--save", "npy"]) == 0
    assert "relative" in capsys.readouterr().out
    depth = np.load(tmp_path / "out" / "npy" / "f1.npy")
    np.testing.assert_allclose(depth, load().predict(folder / "f1.png").depth, rtol=1e-4)


def test_the_verb_end_to_end_and_its_refusals(model, folder, tmp_path, capsys):
    from lumde.cli import main

    assert tuple(sorted(FORMATS, key=verb.FORMATS.index)) == verb.FORMATS and set(verb.FORMATS) == set(
        FORMATS
    )
    save(model, tmp_path / "model")
    out = ["--out", str(tmp_path / "out")]
    assert main(["predict", str(folder), *out, "--model", str(tmp_path / "model"), "--save", "jpg"]) == 2
    assert main(["predict", str(tmp_path / "nothing"), *out, "--model", str(tmp_path / "model")]) == 3
    assert not (tmp_path / "out").exists()
    assert main(["predict", str(folder), *out, "--model", str(tmp_path / "model"), "--save", "npy,ply"]) == 0
    said = capsys.readouterr()
    assert "3 frames" in said.out and "relative" in said.out and "assumed 60 degrees" in said.err
    expected = load(tmp_path / "model").predict(folder / "f1.png").depth
    np.testing.assert_allclose(np.load(tmp_path / "out" / "npy" / "f1.npy"), expected, rtol=1e-4)


def test_resume_never_gives_a_picture_the_depth_of_another(model, tmp_path):
    for i, name in enumerate(("A", "B")):
        (tmp_path / name).mkdir()
        Image.fromarray(frame(i)).save(tmp_path / name / "1.png")
    good = (tmp_path / "A" / "1.png").read_bytes()
    (tmp_path / "A" / "1.png").write_bytes(good[:-40])
    asked = {"source": str(tmp_path / "[AB]" / "*.png"), "model": model, "out": tmp_path / "out"}
    index = predict_source(**asked, save=("npy",))
    assert [f["name"] for f in index["frames"]] == ["1-2"] and index["skipped"][0]["name"] == "1"
    (tmp_path / "A" / "1.png").write_bytes(good)
    predict_source(**asked, save=("npy",), resume=True)
    for name, picture in (("1", "A"), ("1-2", "B")):
        expected = model.predict(tmp_path / picture / "1.png").depth
        np.testing.assert_array_equal(np.load(tmp_path / "out" / "npy" / f"{name}.npy"), expected)
    (tmp_path / "A" / "1.png").unlink()
    with pytest.raises(UsageError, match="begun with another pictures"):
        predict_source(**asked, save=("npy",), resume=True)


def test_a_picture_that_was_replaced_is_predicted_again(model, folder, tmp_path):
    predict_source(folder, model, tmp_path / "out", ("npy",))
    os.utime(tmp_path / "out" / "npy" / "f2.npy", (1e9, 1e9))
    Image.fromarray(frame(7)).save(folder / "f2.png")
    predict_source(folder, model, tmp_path / "out", ("npy",), resume=True)
    expected = model.predict(folder / "f2.png").depth
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "npy" / "f2.npy"), expected)


def test_what_was_written_is_no_source(model, folder, tmp_path):
    source = str(tmp_path / "**" / "*.png")
    for resume in (False, True):
        index = predict_source(source, model, tmp_path / "out", resume=resume)
        assert [f["name"] for f in index["frames"]] == ["f1", "f2", "f10"]
    with pytest.raises(DataError, match="all pictures lie in it"):
        predict_source(str(tmp_path / "out" / "**" / "*.png"), model, tmp_path / "out", resume=True)


def test_what_lies_there_needs_no_space(model, folder, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(predict.files, "require_space", lambda path, size: asked.append(size))
    for resume in (False, True):
        predict_source(folder, model, tmp_path / "out", ("npy",), resume=resume)
    assert asked[1] < asked[0] / 10


def test_a_video_wider_than_its_encoder_takes_is_told_at_once(model, tmp_path):
    Image.fromarray(np.zeros((16, 8200, 3), np.uint8)).save(tmp_path / "wide.png")
    with pytest.raises(DataError, match="8200 pixels wide"):
        predict_source(tmp_path / "wide.png", model, tmp_path / "out", ("mp4",))
