"""Pictures in and out. Every read decodes the whole file, so that damage is found here and not in a batch."""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8, UInt16
from PIL import ExifTags, Image, UnidentifiedImageError

from lumde import files
from lumde.errors import DataError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # few decoders, small attack surface
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
MAX_PIXELS = 50_000_000
_FULL_FRAME_DIAGONAL_MM = float(np.hypot(36.0, 24.0))
_MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0}  # EXIF FocalPlaneResolutionUnit: inch, centimetre, millimetre
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
_TURNS = {  # EXIF orientation -> what makes it upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_GUESSES = (
    (b"<", "looks like HTML or XML: was a download page saved in its place?"),
    (b"version https://git-lfs", "is a Git LFS pointer: fetch the real file"),
    (b"GIF8", "is a GIF: convert it to PNG"),
    (b"II*\0", "is a TIFF: convert it to PNG"),
    (b"MM\0*", "is a TIFF: convert it to PNG"),
    (b"%PDF", "is a PDF"),
)


def read_image(path: Path, max_pixels: int = MAX_PIXELS) -> UInt8[np.ndarray, "h w 3"]:
    """Decode a picture completely, upright (EXIF orientation applied), as 8-bit RGB.

    Grey, palette, alpha (dropped), CMYK and 16-bit pictures are converted.

    Args:
        path: JPEG, PNG, WebP or BMP.
        max_pixels: larger pictures are refused from their header, before decoding.

    Raises:
        DataError: missing, truncated, too large, or no picture at all.
    """
    with opened(path, max_pixels) as image:
        return rgb(upright(image))


def read_mask(path: Path) -> Bool[np.ndarray, "h w"]:
    """Tell where a mask lets through, upright: any colour above 0, be it of 1, 8 or 16 bits."""
    with opened(path) as image:
        turned = upright(image)
        values = np.asarray(turned)[..., None] if turned.mode.startswith("I") else rgb(turned)
        return np.asarray(values.any(axis=2))


def upright(image: Image.Image) -> Image.Image:
    """Turn a picture as its EXIF orientation says; other tags, however odd, are not looked at."""
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def image_size(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Tell (width, height) as `read_image` would answer it, from the header alone."""
    with opened(path, max_pixels) as image:
        width, height = image.size
    return (height, width) if orientation(path) >= 5 else (width, height)


def orientation(path: Path) -> int:
    """Tell the EXIF orientation, 1..8; 1 = stored upright."""
    with opened(path) as image:
        return _orientation(image)


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(ExifTags.Base.Orientation, 1)
    return value if value in range(1, 9) else 1


def image_format(path: Path) -> str:
    """Tell the format by content: JPEG, PNG, WEBP or BMP."""
    with opened(path) as image:
        return str(image.format)


def exif_focal_px(path: Path) -> float | None:
    """Tell the focal length in pixels of the picture as stored, None where EXIF does not say.

    The 35 mm equivalent is defined over the diagonal (CIPA DCG-001); otherwise the focal length in mm is
    divided by the pixel pitch on the sensor.
    """
    with opened(path) as image:
        exif = image.getexif().get_ifd(ExifTags.IFD.Exif)
        width, height = image.size
    equivalent_mm = _positive(exif.get(ExifTags.Base.FocalLengthIn35mmFilm))
    if equivalent_mm:
        return equivalent_mm * float(np.hypot(width, height)) / _FULL_FRAME_DIAGONAL_MM
    focal_mm = _positive(exif.get(ExifTags.Base.FocalLength))
    per_unit = _positive(exif.get(ExifTags.Base.FocalPlaneXResolution))
    unit_mm = _MM_PER_UNIT.get(exif.get(ExifTags.Base.FocalPlaneResolutionUnit, 2))
    if not (focal_mm and per_unit and unit_mm):
        return None
    sensor_width = _positive(exif.get(ExifTags.Base.ExifImageWidth)) or width
    return focal_mm * per_unit / unit_mm * width / sensor_width


def encode_jpeg(image: UInt8[np.ndarray, "h w 3"], quality: int = 95) -> bytes:
    """Compress to JPEG without chroma subsampling."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def encode_png(image: UInt8[np.ndarray, "h w *c"] | UInt16[np.ndarray, "h w"]) -> bytes:
    """Compress to PNG: 8-bit RGB or grey, or 16-bit grey."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def write_png(path: Path, image: UInt8[np.ndarray, "h w *c"] | UInt16[np.ndarray, "h w"]) -> None:
    """Write a PNG atomically."""
    files.write_bytes(path, encode_png(image))


@contextmanager
def opened(
    path: Path, max_pixels: int = MAX_PIXELS, formats: tuple[str, ...] = FORMATS
) -> Iterator[Image.Image]:
    """Open with Pillow, size checked; whatever fails while the file is in use becomes a DataError."""
    try:
        with Image.open(path, formats=formats) as image:
            if image.width * image.height > max_pixels:
                raise DataError(
                    f"{path}: {image.width}x{image.height} pixels, at most {max_pixels / 1e6:g} million "
                    "are read; shrink the picture"
                )
            yield image
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; check the path") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: {_why_unreadable(path)}") from error
    except _BROKEN as error:
        raise DataError(f"{path}: cannot be decoded ({error}); fetch it again or remove it") from error


def _why_unreadable(path: Path) -> str:
    with path.open("rb") as stream:
        head = stream.read(512).lstrip()
    if not head:
        return "is empty; fetch it again or remove it"
    for start, reason in _GUESSES:
        if head.startswith(start):
            return reason
    return f"is no readable {', '.join(FORMATS)} picture; fetch it again, convert it or remove it"


def rgb(image: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
    """Any mode of Pillow as 8-bit RGB."""
    if image.mode == "RGB":
        return np.array(image)
    if image.mode.startswith("I"):  # 16-bit grey; convert("RGB") would clip it to white
        grey = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.array(image.convert("RGB"))


def _positive(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if np.isfinite(number) and number > 0 else None
