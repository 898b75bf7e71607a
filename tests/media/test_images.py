"""Pictures: every mode to upright RGB, every kind of damage to one clear message."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from lumde.errors import DataError
from lumde.media import images


def _corner_picture() -> np.ndarray:
    """4x6, red top-left pixel block on grey."""
    picture = np.full((40, 60, 3), 90, np.uint8)
    picture[:20, :30] = (250, 10, 10)
    return picture


def _exif(**tags: object) -> Image.Exif:
    exif = Image.Exif()
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    for name, value in tags.items():
        (exif if name == "Orientation" else inner)[ExifTags.Base[name].value] = value
    return exif


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0)), (2, (0, -1)), (4, (-1, 0))],
)
def test_exif_orientation_sets_the_picture_upright(tmp_path, orientation, corner):
    path = tmp_path / "a.png"
    Image.fromarray(_corner_picture()).save(path, exif=_exif(Orientation=orientation))
    upright = images.read_image(path)
    assert tuple(upright[corner]) == (250, 10, 10)
    assert images.image_size(path) == (upright.shape[1], upright.shape[0])
    assert images.orientation(path) == orientation
    assert upright.shape == ((60, 40, 3) if orientation in (6, 8) else (40, 60, 3))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new("RGB", (30, 20), (255, 255, 255)).convert(mode).save(path)
    picture = images.read_image(path)
    assert picture.shape == (20, 30, 3) and picture.dtype == np.uint8 and picture.min() >= 250


def test_sixteen_bit_grey_keeps_its_gradation(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.array([[0, 256, 32768, 65535]], np.uint16)).save(path)
    assert images.read_image(path)[0, :, 1].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_truncated_picture_is_refused_by_name(tmp_path, suffix, share):
    path = tmp_path / f"cut{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)).save(path)
    images.read_image(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match="cut"):
        images.read_image(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<!doctype html><html></html>", "HTML"),
        (b"  <html>", "HTML"),
        (b"GIF89a" + b"\0" * 50, "GIF"),
        (b"random words", "no readable"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, data, reason):
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    with pytest.raises(DataError, match=reason):
        images.read_image(path)


def test_missing_file_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        images.read_image(tmp_path / "nowhere.jpg")


def test_bomb_is_refused_from_its_header(tmp_path):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 30000, 30000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1 + 30000 // 8) * 100)
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )
    with pytest.raises(DataError, match="bomb"):
        images.read_image(path)
    Image.new("L", (30, 20)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="30x20 pixels"):
        images.read_image(tmp_path / "a.png", max_pixels=599)


def test_focal_length_from_exif(tmp_path):
    path = tmp_path / "a.jpg"
    picture = Image.new("RGB", (720, 480))
    picture.save(path, exif=_exif(FocalLengthIn35mmFilm=36))  # 3:2: one focal length is one width
    assert images.exif_focal_px(path) == pytest.approx(720)
    inch = {"FocalLength": 5.0, "FocalPlaneXResolution": 2540.0, "FocalPlaneResolutionUnit": 2}
    picture.save(path, exif=_exif(**inch))  # 5 mm * 100 px/mm
    assert images.exif_focal_px(path) == pytest.approx(500)
    picture.save(path, exif=_exif(**inch, ExifImageWidth=1440))  # shrunk to half after the shot
    assert images.exif_focal_px(path) == pytest.approx(250)
    picture.save(path)
    assert images.exif_focal_px(path) is None


def test_png_round_trip_and_jpeg_is_close(tmp_path):
    picture = _corner_picture()
    images.write_png(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png"), picture)
    (tmp_path / "a.jpg").write_bytes(images.encode_jpeg(picture))
    assert np.abs(images.read_image(tmp_path / "a.jpg").astype(int) - picture).max() < 12
    assert images.image_format(tmp_path / "a.jpg") == "JPEG"
    assert [path.name for path in sorted(Path(tmp_path).iterdir())] == ["a.jpg", "a.png"]


def test_odd_tags_beside_the_orientation_do_not_matter(tmp_path):
    """A maker's name stored as a fraction: writing the tags again, as Pillow does to turn, would fail."""
    path, exif = tmp_path / "a.jpg", Image.Exif()
    exif[ExifTags.Base.Orientation.value] = 6
    exif[ExifTags.Base.Make.value] = "maker and more"
    Image.fromarray(_corner_picture()).save(path, exif=exif, quality=95)
    data = bytearray(path.read_bytes())
    little = b"\x0f\x01\x02\x00" in data
    order = "little" if little else "big"
    entry = data.index((0x010F).to_bytes(2, order) + (2).to_bytes(2, order))
    data[entry + 2 : entry + 8] = (5).to_bytes(2, order) + (1).to_bytes(4, order)  # one RATIONAL
    path.write_bytes(data)
    with Image.open(path) as image, pytest.raises(AttributeError):
        ImageOps.exif_transpose(image)
    assert images.read_image(path).shape == (60, 40, 3)


@pytest.mark.parametrize("value", [1, 255, 40_000])
def test_a_mask_lets_through_what_is_not_zero(tmp_path, value):
    mask = np.zeros((4, 6), np.uint16)
    mask[1, 2] = value
    images.write_png(tmp_path / "a.png", mask)
    assert (images.read_mask(tmp_path / "a.png") == (mask > 0)).all()
    images.write_png(tmp_path / "b.png", np.stack([mask > 0] * 3, 2).astype(np.uint8))
    assert (images.read_mask(tmp_path / "b.png") == (mask > 0)).all()
