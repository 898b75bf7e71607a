"""From what a user names to recordings: each is one run of frames by one camera, with a name of its own."""

import glob
import itertools
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from lumde.errors import DataError
from lumde.media import colmap
from lumde.media.cameras import Camera, read_camera
from lumde.media.sources import (
    CAMERA_FILE,
    IMAGE_FOLDER,
    Source,
    VideoSource,
    expand,
    folder_images,
    is_image,
    is_video,
    natural_order,
    open_source,
)

_GENERIC_NAME = re.compile(r"(images?|data|frames|rgb|color)(_\d+)?", re.IGNORECASE)  # its parent tells more


@dataclass(frozen=True)
class Recording:
    """Frames that follow each other in time."""

    name: str
    source: Source | VideoSource
    camera: Camera | None = None  # that came with the pictures
    breaks: frozenset[Path] = field(default_factory=frozenset)  # pictures whose predecessor is missing


def find_recordings(sources: list[str], fps: int | float | None = None) -> list[Recording]:
    """Find every recording in videos, folders (of pictures, videos, such folders), globs, COLMAP projects.

    Pictures named one by one are one recording per folder, in natural order.

    Raises:
        DataError: nothing there, nothing in it, or a video that cannot be opened.
    """
    found: list[Recording] = []
    loose: dict[Path, list[Path]] = {}
    for path in (path for source in sources for path in _paths(source)):
        if path.is_dir():
            found += _from_folder(path, fps)
        elif is_image(path):
            loose.setdefault(path.parent, []).append(path)
        else:
            found.append(_from_video(path, fps))
    found += [_from_images(parent, natural_order(paths)) for parent, paths in loose.items()]
    return _with_unique_names(found)


def _paths(source: str) -> list[Path]:
    path = Path(source)
    if path.exists() or not glob.has_magic(source):
        return [path]
    matches = expand(source)
    usable = [match for match in matches if match.is_dir() or is_image(match) or is_video(match)]
    if not usable:
        raise DataError(f"{source}: matches {len(matches)} files, but no picture, video or folder")
    return usable


def _from_folder(folder: Path, fps: int | float | None) -> list[Recording]:
    model = colmap.find_colmap(folder)
    if model is not None:
        return _from_colmap(folder, model)
    direct = _of_one_folder(folder, fps)
    if direct:
        return direct
    inner = natural_order([path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."])
    found = [recording for path in inner for recording in _of_one_folder(path, fps)]
    if not found:
        raise DataError(f"{folder}: holds no picture and no video, nor do its folders; is it another folder?")
    return found


def _of_one_folder(folder: Path, fps: int | float | None) -> list[Recording]:
    for place in (folder, folder / IMAGE_FOLDER):
        if place.is_dir() and any(is_image(path) for path in place.iterdir()):
            return [_from_images(place, folder_images(place))]
    return [_from_video(path, fps) for path in natural_order(list(folder.iterdir())) if is_video(path)]


def _from_images(folder: Path, paths: list[Path]) -> Recording:
    places = (folder, folder.parent) if folder.name == IMAGE_FOLDER else (folder,)
    files = (place / CAMERA_FILE for place in places)
    camera = next((read_camera(path) for path in files if path.is_file()), None)
    return Recording(_folder_name(folder), Source("folder", paths), camera)


def _from_video(path: Path, fps: int | float | None) -> Recording:
    return Recording(path.stem, open_source(path, fps))


def _from_colmap(folder: Path, model: Path) -> list[Recording]:
    """Make one recording per camera and folder; pictures left out by COLMAP break it."""
    project = colmap.read_colmap(folder, model)
    groups: dict[tuple[int, Path], list[Path]] = {}
    breaks, previous = set(), None
    for path in project.pictures:
        group = (project.camera_of[path], path.parent) if path in project.camera_of else None
        if group is not None:
            groups.setdefault(group, []).append(path)
            if group != previous:
                breaks.add(path)
        previous = group
    return [
        Recording(
            f"{_folder_name(folder)}_camera{key}" if len(groups) > 1 else _folder_name(folder),
            Source("folder", paths),
            project.cameras[key],
            frozenset(breaks),
        )
        for (key, _), paths in groups.items()
    ]


def _folder_name(folder: Path) -> str:
    folder = folder.resolve()
    return folder.parent.name if _GENERIC_NAME.fullmatch(folder.name) else folder.name


def _with_unique_names(recordings: list[Recording]) -> list[Recording]:
    taken: set[str] = set()
    named = []
    for recording in recordings:
        base = re.sub(r"[^\w.-]+", "_", recording.name).strip("._")
        base = "recording" if base in ("", IMAGE_FOLDER) else base  # DATA/image would make DATA a sequence
        numbered = (f"{base}-{number}" for number in itertools.count(2))
        name = next(name for name in itertools.chain([base], numbered) if name not in taken)
        taken.add(name)
        named.append(replace(recording, name=name))
    return named
