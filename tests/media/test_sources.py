"""Sources and recordings: kinds told, natural order, cameras guessed, COLMAP read."""

import numpy as np
import pytest
from clips import number_of, write_clip, write_pictures
from PIL import ExifTags, Image

from lumde.errors import DataError
from lumde.media.cameras import assumed_camera, camera_from_focal, write_camera
from lumde.media.recordings import find_recordings
from lumde.media.sources import Source, VideoSource, open_source


def test_folder_and_glob_come_in_natural_order(tmp_path):
    write_pictures(tmp_path / "a", ["f1.png", "f2.png", "f10.png"])
    (tmp_path / "a" / "notes.txt").write_text("x")
    for source in (tmp_path / "a", str(tmp_path / "a" / "f*.png"), str(tmp_path / "a" / "*")):
        opened = open_source(source)
        assert opened.count == 3
        frames = list(opened.frames())
        assert [frame.name for frame in frames] == ["f1", "f2", "f10"]
        assert [number_of(frame.image) for frame in frames] == [0, 1, 2]
        assert all(frame.timestamp is None and not frame.damaged for frame in frames)
    assert open_source(tmp_path / "a").kind == "folder"
    assert open_source(str(tmp_path / "a" / "*.png")).kind == "glob"
    assert open_source(tmp_path / "a" / "f1.png").kind == "image"


def test_a_sequence_of_a_dataset_folder_brings_its_camera(tmp_path):
    write_pictures(tmp_path / "drive" / "image", ["1.png", "2.png"])
    write_camera(tmp_path / "drive" / "camera.yaml", camera_from_focal(70, 128, 96, "calibrated"))
    for source in (tmp_path / "drive", tmp_path / "drive" / "image", tmp_path / "drive" / "image" / "1.png"):
        camera = open_source(source).camera()
        assert camera.source == "calibrated, scaled from 128x96" and camera.intrinsics[0, 0] == 35
    (tmp_path / "drive" / "camera.yaml").unlink()
    assert open_source(tmp_path / "drive").camera().assumed


def test_video_source(tmp_path):
    source = open_source(write_clip(tmp_path / "a.mp4"), fps=5)
    assert isinstance(source, VideoSource) and source.kind == "video" and source.count == 6
    assert [frame.name for frame in source.frames()] == [f"{i:06d}" for i in range(0, 12, 2)]
    assert source.camera().source == assumed_camera(64, 48).source
    assert open_source(str(tmp_path / "*.mp4")).kind == "video"


def test_broken_picture_stops_or_is_marked(tmp_path):
    write_pictures(tmp_path, ["1.png", "2.png"])
    (tmp_path / "1.png").write_bytes(b"<html>")
    source = open_source(tmp_path)
    with pytest.raises(DataError, match=r"1\.png: looks like HTML"):
        list(source.frames())
    broken, good = source.frames(skip_broken=True)
    assert broken.damaged and broken.image is None and "HTML" in broken.problem and not good.damaged


def test_focal_lengths_that_devices_wrote_are_used_unless_absurd(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm.value] = 28
    write_pictures(tmp_path, ["a.jpg"], exif=exif)
    camera = open_source(tmp_path / "a.jpg").camera()
    assert camera.source == "EXIF focal length"
    assert camera.intrinsics[0, 0] == pytest.approx(28 * np.hypot(64, 48) / np.hypot(36, 24))
    key = "com.apple.quicktime.camera.focal_length.35mm_equivalent"
    camera = open_source(write_clip(tmp_path / "a.mov", 2, metadata={key: "27"})).camera()
    assert camera.source == "container focal length" and camera.intrinsics[0, 0] == pytest.approx(
        27 / 36 * 64
    )
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm.value] = 2
    write_pictures(tmp_path, ["b.jpg"], exif=exif)
    assert open_source(tmp_path / "b.jpg").camera().assumed


def test_what_is_not_there_is_named_with_a_guess(tmp_path):
    write_pictures(tmp_path, ["street.jpg"])
    (tmp_path / "empty").mkdir()
    write_pictures(tmp_path / "dataset" / "walk" / "image", ["1.png"])
    for source, reason in [
        (tmp_path / "stret.jpg", "did you mean .*street.jpg"),
        (tmp_path / "elsewhere" / "x.jpg", "no such file"),
        (tmp_path / "empty", "holds no picture"),
        (tmp_path / "dataset", "holds sequences; name one of them, such as .*walk"),
        (str(tmp_path / "*.webp"), "matches nothing"),
    ]:
        with pytest.raises(DataError, match=reason):
            open_source(source)


def test_recordings_are_found_and_get_names_of_their_own(tmp_path):
    write_pictures(tmp_path / "drive" / "image", ["1.png", "2.png"])
    write_camera(tmp_path / "drive" / "camera.yaml", camera_from_focal(60, 64, 48, "lab"))
    write_pictures(tmp_path / "other" / "drive", ["1.png"])
    write_clip(tmp_path / "drive.mp4", 2)
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips" / "b.mp4", 2)
    write_pictures(tmp_path / "06" / "image_0", ["1.png"])
    assert find_recordings([str(tmp_path / "06" / "image_0")])[0].name == "06"
    loose = [str(tmp_path / "other" / "drive" / "1.png")]  # as a shell expands a glob
    sources = [str(tmp_path / "drive"), str(tmp_path / "drive.mp4"), *loose, str(tmp_path / "cl*")]
    found = {recording.name: recording for recording in find_recordings(sources)}
    assert list(found) == ["drive", "drive-2", "b", "drive-3"]
    assert found["drive"].camera.source == "lab" and found["drive-3"].camera is None
    assert isinstance(found["drive-2"].source, VideoSource) and isinstance(found["drive-3"].source, Source)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no picture and no video"):
        find_recordings([str(tmp_path / "empty")])


def _colmap_project(folder, points="1 2 3"):
    write_pictures(folder / "images", [f"{i}.png" for i in range(5)])
    (folder / "sparse" / "0").mkdir(parents=True)
    (folder / "sparse" / "0" / "cameras.txt").write_text("# cameras\n3 PINHOLE 64 48 60 60 32 24\n")
    lines = [f"{i} 1 0 0 0 0 0 0 3 {i}.png\n{points}\n" for i in (4, 0, 1, 3)]  # 2 was not registered
    (folder / "sparse" / "0" / "images.txt").write_text("# images\n" + "".join(lines))
    return folder


@pytest.mark.parametrize("points", ["1 2 3", ""])
def test_colmap_pictures_are_registered_ones_with_their_camera(tmp_path, points):
    (recording,) = find_recordings([str(_colmap_project(tmp_path / "scene", points))])
    assert recording.name == "scene" and recording.camera.source == "COLMAP camera 3 (PINHOLE)"
    assert recording.camera.intrinsics[0, 2] == 31.5
    assert [path.name for path in recording.source.paths] == ["0.png", "1.png", "3.png", "4.png"]
    assert {path.name for path in recording.breaks} == {"0.png", "3.png"}


@pytest.mark.parametrize(
    ("name", "reason"), [("../../etc/passwd", "not a plain path"), ("9.png", "missing"), ("a b", "missing")]
)
def test_colmap_names_stay_inside_and_exist(tmp_path, name, reason):
    folder = _colmap_project(tmp_path / "scene")
    (folder / "sparse" / "0" / "images.txt").write_text(f"1 1 0 0 0 0 0 0 3 {name}\n\n")
    with pytest.raises(DataError, match=reason):
        find_recordings([str(folder)])


def test_binary_colmap_model_is_told_how_to_export(tmp_path):
    (tmp_path / "sparse" / "0").mkdir(parents=True)
    (tmp_path / "sparse" / "0" / "cameras.bin").write_bytes(b"x")
    with pytest.raises(DataError, match="model_converter"):
        find_recordings([str(tmp_path)])


def test_pictures_named_by_times_stand_in_their_order(tmp_path):
    """Python writes 1700000000.10 as 1700000000.1."""
    names = ["1700000000.05.png", "1700000000.1.png", "1700000000.15.png", "1700000000.2.png"]
    write_pictures(tmp_path, list(reversed(names)))
    assert [path.name for path in open_source(tmp_path).paths] == names
    write_pictures(tmp_path, ["frame.png"])
    assert [path.name for path in open_source(tmp_path).paths][0] != "frame.png"


def test_a_video_called_image_makes_no_folder_that_hides_the_others(tmp_path):
    assert find_recordings([str(write_clip(tmp_path / "image.mp4", 2))])[0].name == "recording"
