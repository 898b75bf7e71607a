"""Files that survive crashes and hostile input: atomic writes, hashes, checked reads, safe names."""

import errno
import hashlib
import json
import math
import os
import re
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

from lumde.errors import CheckpointError, ConfigError, DataError, ResourceError, UsageError
from lumde.lock import at_work
from lumde.strict_yaml import parse_yaml as parse_yaml

MAX_TEXT_BYTES = 1_000_000  # no config, camera or dataset file of ours comes near this
MAX_NAME_BYTES = 255  # of one path component, on every common file system
BROKEN_NPY = (ValueError, EOFError, TokenError, BadZipFile)  # of numpy.load, for a damaged or cut file


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file or nothing: temporary file, fsync, rename, fsync of the folder.

    Raises:
        ResourceError: the old file, if any, is untouched.
    """
    try:
        if path.exists() and not path.is_file():  # /dev/stdout, a named pipe: nothing to rename onto
            path.write_bytes(data)
            return
        path = path.resolve()  # a link stays a link
        temporary = _temporary(path)
        try:
            with temporary.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink()
        _sync(path.parent)
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written ({error.strerror or error})") from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically; what is no Unicode (odd file names) is written escaped."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; NaN and infinity become null, numpy values and tensors plain numbers."""
    write_text(path, json.dumps(_finite(value), indent=1, allow_nan=False) + "\n")


def read_json(path: Path, max_bytes: int = 50 * MAX_TEXT_BYTES) -> Any:
    """Read JSON of bounded size.

    Raises:
        DataError: missing, too large or not JSON.
    """
    try:
        return json.loads(_bounded_text(path, max_bytes))
    except (ValueError, RecursionError) as error:
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


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Fill a hidden sibling folder and rename it to `path` at the end: a crash leaves no half folder.

    What an earlier crash left of the same folder is removed; what another process still fills is not.

    Raises:
        ResourceError: when `path` exists or cannot be written.
    """
    try:
        if path.exists():
            raise ResourceError(f"{path}: exists already; nothing was overwritten")
        temporary = _temporary(path)
        stale = re.compile(rf"\.{re.escape(_short(path.name))}\.([0-9]+)\.tmp")
        for place in path.parent.glob(".*.tmp"):
            if (found := stale.fullmatch(place.name)) and not at_work(int(found[1])):
                shutil.rmtree(place, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            for inner in (*temporary.rglob("*"), temporary):
                _sync(inner)
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _sync(path.parent)
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written ({error})") from error


def sha256(path: Path) -> str:
    """Hash a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Write `manifest.json`: `facts`, and size and SHA-256 of every other file in `folder`."""
    files = {
        file.relative_to(folder).as_posix(): {"bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file != folder / "manifest.json"
    }
    write_json(folder / "manifest.json", {**facts, "files": files})


def verify_manifest(folder: Path) -> dict[str, Any]:
    """Check every file that `manifest.json` lists and answer the manifest.

    Raises:
        CheckpointError: naming the first missing, cut or altered file.
    """
    try:
        manifest: dict[str, Any] = read_json(folder / "manifest.json")
        files = {
            inside(folder, name): (facts["bytes"], facts["sha256"])
            for name, facts in manifest["files"].items()
        }
    except (DataError, AttributeError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{folder}: no usable manifest.json ({error}); the folder is not complete"
        ) from error
    for path, (size, digest) in files.items():
        try:
            same = path.stat().st_size == size and sha256(path) == digest
        except OSError as error:
            raise CheckpointError(
                f"{path}: cannot be read ({error.strerror}); the folder is not complete"
            ) from error
        if not same:
            raise CheckpointError(f"{path}: content differs from manifest.json; the file is damaged")
    return manifest


def inside(root: Path, name: str) -> Path:
    """Join a name from a file onto `root` and refuse whatever leaves it.

    Raises:
        DataError: absolute, `..`, backslash, control character, or a link that points outside.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or not all(map(_is_file_name, parts)):
        raise DataError(f"{printable(name[:100])!r}: not a plain path below {root}")
    path = root.joinpath(*parts)
    try:
        contained = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:  # a loop of links
        raise DataError(f"{path}: cannot be followed ({error})") from error
    if not contained:
        raise DataError(f"{path}: a link that leads outside {root}")
    return path


def natural_key(name: str) -> tuple[Any, ...]:
    """Sort key that puts `frame2` before `frame10`."""
    parts = re.split(r"([0-9]+)", name)  # texts at even places, digits at odd ones
    digits = [(len(part.lstrip("0")), part.lstrip("0"), part) for part in parts[1::2]]
    return (parts[0], *(piece for pair in zip(digits, parts[2::2], strict=True) for piece in pair))


def require_unused(path: Path, resume: bool | None = None) -> None:
    """Raise UsageError where an output folder holds something, unless `resume`; None: there is no such."""
    try:
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path}: is a file, a folder is needed")
        if path.is_dir() and any(path.iterdir()) and not resume:
            advice = "choose another --out" + ("" if resume is None else ", or --resume to go on")
            raise UsageError(f"{path}: exists and is not empty; {advice}")
    except OSError as error:
        raise ResourceError(f"{path}: cannot be looked at ({error.strerror or error})") from error


def claim_output(path: Path, resume: bool | None = None) -> Path:
    """Make an output folder: UsageError as `require_unused`, ResourceError if it cannot be written."""
    require_unused(path, resume)
    _probe(path)
    return path


def claim_file(path: Path) -> None:
    """Make the folder of a file that a job will write at its end; ResourceError if that cannot be."""
    if path.is_dir():
        raise ResourceError(f"{path}: is a folder, a file is needed")
    if not path.exists():  # what is there is replaced, or written to as a device or pipe
        _probe(path.parent)


def require_space(folder: Path, needed_bytes: int, or_else: str = "choose another disk") -> None:
    """Raise ResourceError unless the disk of `folder` (which may not exist yet) has `needed_bytes` free."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if free < needed_bytes:
        needed, has = (f"{count / (1 << 20):,.1f} MiB" for count in (needed_bytes, free))
        raise ResourceError(f"{folder}: {needed} needed, {has} free; free some space or {or_else}")


def printable(text: str) -> str:
    """Replace control and invisible characters (terminal escapes in file names) by '?'."""
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else "?" for c in text)


def _bounded_text(path: Path, max_bytes: int) -> str:
    try:
        with path.open("rb") as stream:  # the size is counted, not asked: a pipe or device has none
            data = stream.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise DataError(f"{path}: more than {max_bytes:,} bytes; is it the right file?")
        return data.decode("utf-8-sig")  # some editors put a byte-order mark first
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file") from error
    except ValueError as error:  # a NUL in the name
        raise DataError(f"{printable(str(path))}: not a file name ({error})") from error


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return _finite(value.tolist()) if hasattr(value, "tolist") else value


def _temporary(path: Path) -> Path:
    """A hidden sibling, of a bounded name; `rename` is atomic only within one folder's disk."""
    return path.with_name(f".{_short(path.name)}.{os.getpid()}.tmp")


def _short(name: str) -> str:
    """The first 200 bytes of a name, whole characters."""
    return os.fsencode(name)[:200].decode(errors="ignore")


def _is_file_name(part: str) -> bool:
    try:
        short = len(os.fsencode(part)) <= MAX_NAME_BYTES
    except UnicodeEncodeError:
        return False
    return short and "\\" not in part and not any(unicodedata.category(c) == "Cc" for c in part)


def _probe(folder: Path) -> None:
    """Make a folder and see whether files can be written there; ResourceError if not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = _temporary(folder / "probe")
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ResourceError(f"{folder}: cannot be written ({error.strerror or error})") from error


def _sync(path: Path) -> None:
    """Push a file or folder to the disk; some network disks cannot do it for folders."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
