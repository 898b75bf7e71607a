"""What the rows of a study take from outside of it: weights and maps, known by content and not by name."""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from lumde.config import to_dict
from lumde.data.base import thinned
from lumde.errors import LumdeError
from lumde.files import sha256
from lumde.jobs.study import StudyConfig, config_of
from lumde.models.folder import WEIGHTS, model_folder

TAKEN = ("init", "path", "weights")  # keys of networks' starts and of teachers
NO_PATHS = ("", "none", "imagenet")  # `weights` that come from nowhere, or with a library
LOOKED_INTO = 64  # files of a folder of maps, evenly spread: there may be gigabytes
MADE_BY_ROWS = {"teacher": "teacher.path", "start": "student.init"}


def outside(study: StudyConfig, name: str, folder: Path, out: Path) -> dict[str, str]:
    """Dotted key -> content, of all that a row starts from or learns from and no other row has made."""
    row, config = study.rows[name], to_dict(config_of(study, name, folder, out))
    made = {key for which, key in MADE_BY_ROWS.items() if getattr(row, which)}
    parts = {part: config.get(part) for part in ("student", "teacher", "method")}
    return {key: _content(Path(path)) for key, path in _taken(parts, "") if key not in made}


def _taken(values: Any, prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in values.items() if isinstance(values, dict) else ():
        if key in TAKEN and isinstance(value, str) and value not in NO_PATHS:
            yield prefix + key, value
        yield from _taken(value, f"{prefix}{key}.")


def _content(path: Path) -> str:
    """Hash of a model's weights or of a file; of any other folder's names and sizes and of some of its files.

    "" where nothing is.
    """
    try:
        return sha256(model_folder(path) / WEIGHTS)[:16]
    except LumdeError:
        if path.is_file():
            return sha256(path)[:16]
    files = sorted(file for file in path.rglob("*") if file.is_file())
    text = "\n".join(f"{file.relative_to(path).as_posix()} {file.stat().st_size}" for file in files)
    for file in thinned(files, LOOKED_INTO):
        text += _hashed(file, file.stat().st_size, file.stat().st_mtime_ns)
    return hashlib.sha256(text.encode()).hexdigest()[:16] if files else ""


@cache
def _hashed(file: Path, size: int, changed_ns: int) -> str:
    """Hash of a file that has not changed since; asked for every row and run, of gigabytes perhaps."""
    return sha256(file)
