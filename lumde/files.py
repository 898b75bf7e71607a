"""Files that survive crashes and hostile input: atomic writes, hashes, checked reads, safe names."""

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from lumde.errors import CheckpointError, ConfigError, DataError, ResourceError, UsageError

MAX_TEXT_BYTES = 1_000_000  # no config, camera or dataset file of ours comes near this
MAX_ALIASES = 20  # YAML aliases multiply: ten levels of ten make a bomb


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file or nothing: temporary file, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ResourceError(f"{path}: cannot be written ({error.strerror}); free space or choose another place") from error
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; non-finite numbers become null, so that every reader can parse it."""
    write_text(path, json.dumps(_finite(value), indent=1, allow_nan=False) + "\n")


def read_json(path: Path, max_bytes: int = 50 * MAX_TEXT_BYTES) -> Any:
    """Read JSON of bounded size.

    Raises:
        DataError: missing, too large or not JSON.
    """
    try:
        return json.loads(_bounded_text(path, max_bytes))
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({error}); was it cut short?") from error


def read_text(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Read UTF-8 text of bounded size; DataError otherwise."""
    return _bounded_text(path, max_bytes)


def read_yaml(path: Path) -> Any:
    """Read YAML without tags, duplicate keys or alias bombs.

    Raises:
        ConfigError: with file and line.
    """
    try:
        text = _bounded_text(path, MAX_TEXT_BYTES)
    except DataError as error:
        raise ConfigError(str(error)) from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Parse YAML text strictly; `where` names it in errors."""
    try:
        if sum(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)) > MAX_ALIASES:
            raise ConfigError(f"{where}: more than {MAX_ALIASES} YAML aliases; write the values out")
        return yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader with duplicate keys refused
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ConfigError(f"{where}: nested too deeply") from error


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str | int | float | bool):
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key '{key}' is written twice", key_node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep)


# YAML 1.1 reads 1e-4 as text; numbers are what users mean.
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"),
    list("-+0123456789."),
)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Fill a hidden sibling folder and rename it to `path` at the end: a crash leaves no half folder.

    Raises:
        ResourceError: when `path` exists or cannot be written.
    """
    if path.exists():
        raise ResourceError(f"{path}: exists already; nothing was overwritten")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync_file(file)
        temporary.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sha256(path: Path) -> str:
    """Hash a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Write `manifest.json`: `facts`, and size and SHA-256 of every other file in `folder`."""
    files = {
        file.relative_to(folder).as_posix(): {"bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != "manifest.json"
    }
    write_json(folder / "manifest.json", {**facts, "files": files})


def verify_manifest(folder: Path) -> dict[str, Any]:
    """Check every file that `manifest.json` lists and answer the manifest.

    Raises:
        CheckpointError: naming the first missing, cut or altered file.
    """
    try:
        manifest = read_json(folder / "manifest.json")
        files = manifest["files"].items()
    except (DataError, AttributeError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder}: no readable manifest.json ({error})") from error
    for name, facts in files:
        path = inside(folder, name)
        if not path.is_file():
            raise CheckpointError(f"{path}: missing; the folder is not complete")
        if path.stat().st_size != facts.get("bytes") or sha256(path) != facts.get("sha256"):
            raise CheckpointError(f"{path}: content differs from manifest.json; the file is damaged")
    return manifest  # type: ignore[no-any-return]


def inside(root: Path, name: str) -> Path:
    """Join a name from a file onto `root` and refuse whatever leaves it.

    Raises:
        DataError: absolute, `..`, backslash, control character, or a link that points outside.
    """
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts or "\\" in name or any(ord(c) < 32 for c in name):
        raise DataError(f"{name!r}: not a plain path below {root}")
    path = root / pure
    if not path.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{path}: a link that leads outside {root}")
    return path


def natural_key(name: str) -> tuple[Any, ...]:
    """Sort key that puts `frame2` before `frame10`."""
    return tuple((1, int(part), part) if part.isdigit() else (0, 0, part) for part in re.split(r"([0-9]+)", name))


def claim_output(path: Path, resume: bool = False) -> Path:
    """Make an output folder; an existing non-empty one is refused unless `resume`.

    Raises:
        UsageError: `path` holds something already.
        ResourceError: `path` cannot be written.
    """
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path}: is a file, a folder is needed")
    if path.is_dir() and any(path.iterdir()) and not resume:
        raise UsageError(f"{path}: exists and is not empty; choose another --out, or --resume to go on")
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe.{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raise ResourceError unless `folder`'s disk has `needed_bytes` free."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise ResourceError(f"{folder}: {needed_bytes >> 20} MiB needed, {free >> 20} MiB free; free some space")


def printable(text: str) -> str:
    """Replace control characters (terminal escapes in file names) by '?'."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _bounded_text(path: Path, max_bytes: int) -> str:
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise DataError(f"{path}: {size} bytes, at most {max_bytes} expected; is it the right file?")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file") from error


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _sync_file(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
