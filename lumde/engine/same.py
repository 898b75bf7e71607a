"""Whether a run may go on under a config."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lumde.config import parse, to_dict
from lumde.data.snippets import Snippets
from lumde.errors import ConfigError
from lumde.files import parse_yaml, read_text

PLACES = (".root", ".path", ".init")  # keys whose values are files or folders
FREE_TO_CHANGE = ("log_every_steps", "picture_every_steps", "checkpoint_every_steps", "validate_every_steps")


def require_same(config: Any, path: Path) -> None:
    """Refuse to resume under another config, apart from cadences that cannot change the result.

    The same place may be spelled otherwise: relative to here, or in full.
    """
    # What an earlier version did not know of is off by default.
    old, new = to_dict(parse(parse_yaml(read_text(path), str(path)), type(config))), to_dict(config)
    for values in (old, new):
        for key in FREE_TO_CHANGE:
            values["loop"].pop(key, None)
        values["loader"].pop("workers", None)
    if different := _differences(old, new, ""):
        raise ConfigError("resume: the config is not the one this run began with:\n" + "\n".join(different))


def names_digest(snippets: Snippets) -> str | None:
    """What the names of all frames, in their order, come to; of data that change, their edition."""
    edition = snippets.dataset.edition
    if snippets.dataset.changes:
        return edition or None
    digest = hashlib.sha256("\n".join(snippets.keys).encode()).hexdigest()[:12]
    return f"{len(snippets)} frames{edition and f' of {edition}'}, names' SHA-256 {digest}"


def require_same_frames(old: Mapping[str, str | None], new: Mapping[str, str | None]) -> None:
    """Refuse to resume on other frames: which one comes when is drawn by their number."""
    for stream in set(old) & set(new):
        if old[stream] and old[stream] != new[stream]:
            raise ConfigError(
                f"resume: the frames of stream {stream!r} are not those this run began with (was "
                f"{old[stream]}; is {new[stream]}); bring them back, or begin a new run with student.init"
            )


def _differences(old: Any, new: Any, path: str) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = list(dict.fromkeys([*old, *new]))
        return [d for k in keys for d in _differences(old.get(k), new.get(k), f"{path}.{k}".lstrip("."))]
    same = old == new or (path.endswith(PLACES) and _same_place(old, new))
    return [] if same else [f"  {path}: was {old!r}, is {new!r}"]


def _same_place(old: Any, new: Any) -> bool:
    """Whether two texts lead to one file or folder that is there."""
    try:
        return Path(old).samefile(new)
    except (OSError, TypeError, ValueError):
        return False
