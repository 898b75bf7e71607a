"""COLMAP models exported as text: which pictures were registered, and which camera took them.

Poses are not read: COLMAP's unit is arbitrary, and poses in a dataset folder are metres.
"""

from dataclasses import dataclass
from pathlib import Path

from lumde import files
from lumde.errors import DataError
from lumde.media.cameras import Camera, read_colmap_cameras
from lumde.media.sources import folder_images, natural_order

_PLACES = (".", "sparse/0", "sparse")  # of cameras.txt and images.txt below the project's folder


@dataclass(frozen=True)
class ColmapModel:
    """Registered pictures in natural order, each with its camera."""

    cameras: dict[int, Camera]
    camera_of: dict[Path, int]  # camera id of each registered picture
    pictures: list[Path]  # every picture of the folders concerned, registered or not


def find_colmap(folder: Path) -> Path | None:
    """Tell the folder of cameras.txt and images.txt, None if this is no COLMAP project.

    Raises:
        DataError: the project is there, but in COLMAP's binary form only.
    """
    for place in _PLACES:
        model = folder / place
        if (model / "cameras.txt").is_file() and (model / "images.txt").is_file():
            return model
    for place in _PLACES:
        model = folder / place
        if (model / "cameras.bin").is_file():
            raise DataError(
                f"{model}: a binary COLMAP model; export it: colmap model_converter --input_path {model} "
                f"--output_path {model} --output_type TXT"
            )
    return None


def read_colmap(folder: Path, model: Path) -> ColmapModel:
    """Read a project with its pictures in `images/`.

    Raises:
        DataError: broken lines, unknown camera, or a registered picture that is missing.
    """
    cameras = read_colmap_cameras(model / "cameras.txt")
    root = folder / "images"
    camera_of = {}
    for line, name, camera in _image_lines(model / "images.txt"):
        path = files.inside(root, name)
        if camera not in cameras:
            raise DataError(f"{model / 'images.txt'}:{line}: camera {camera} is not in cameras.txt")
        if not path.is_file():
            raise DataError(f"{path}: registered in images.txt, but missing; put the pictures into {root}")
        camera_of[path] = camera
    if not camera_of:
        raise DataError(f"{model / 'images.txt'}: no picture is registered; did the reconstruction fail?")
    pictures = [path for parent in {path.parent for path in camera_of} for path in folder_images(parent)]
    return ColmapModel(cameras, camera_of, natural_order(pictures))


def _image_lines(path: Path) -> list[tuple[int, str, int]]:
    """Read (line number, name, camera id); every second line holds points, and may be empty."""
    rows = []
    try:
        with path.open(encoding="utf-8") as stream:
            numbered = [(n, text) for n, text in enumerate(stream, start=1) if not text.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({error})") from error
    for number, text in numbered[::2]:
        words = text.split(maxsplit=9)
        if not words:
            continue
        if len(words) < 10 or not words[8].isdigit():
            raise DataError(f"{path}:{number}: `ID QW QX QY QZ TX TY TZ CAMERA NAME` expected")
        rows.append((number, words[9].strip(), int(words[8])))
    return rows
