"""Whether a run may go on under a config."""

from pathlib import Path
from typing import Any

from lumde.config import parse, to_dict
from lumde.errors import ConfigError
from lumde.files import parse_yaml, read_text

FREE_TO_CHANGE = ("log_every_steps", "picture_every_steps", "checkpoint_every_steps", "validate_every_steps")


def require_same(config: Any, path: Path) -> None:
    """Refuse to resume under another config, apart from cadences that cannot change the result."""
    # What an earlier version did not know of is off by default.
    old, new = to_dict(parse(parse_yaml(read_text(path), str(path)), type(config))), to_dict(config)
    for values in (old, new):
        for key in FREE_TO_CHANGE:
            values["loop"].pop(key, None)
        values["loader"].pop("workers", None)
    if different := _differences(old, new, ""):
        raise ConfigError("resume: the config is not the one this run began with:\n" + "\n".join(different))


def _differences(old: Any, new: Any, path: str) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = list(dict.fromkeys([*old, *new]))
        return [d for k in keys for d in _differences(old.get(k), new.get(k), f"{path}.{k}".lstrip("."))]
    return [] if old == new else [f"  {path}: was {old!r}, is {new!r}"]
