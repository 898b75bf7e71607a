"""YAML -> nested dataclasses, strict: unknown, missing and mistyped keys stop the run with their dotted path.

A part is picked by `name` (registry.choice). Nothing is imported or executed by name: only tables are asked.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from lumde.errors import ConfigError
from lumde.files import read_yaml

T = TypeVar("T")


def load(path: Path, cls: type[T], overrides: Sequence[str] = ()) -> T:
    """Read a config file, its `base:` file if it names one, then the `key.path=value` overrides.

    Raises:
        ConfigError: listing every problem found, with dotted paths and nearest spellings.
    """
    values = _read_with_base(path)
    for override in overrides:
        _apply_override(values, override)
    return parse(values, cls)


def parse(values: Mapping[str, Any], cls: type[T]) -> T:
    """Build dataclass `cls` from plain values; every problem is reported at once."""
    problems: list[str] = []
    result = _build(values, cls, "", problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return typing.cast(T, result)


def to_dict(config: Any) -> Any:
    """Turn nested dataclasses into plain values that `parse` reads back."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {f.name: to_dict(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {key: to_dict(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [to_dict(value) for value in config]
    return str(config) if isinstance(config, Path) else config


def dump(config: Any) -> str:
    """Tell a config as YAML text, keys in the order of the dataclass."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, default_flow_style=None)


def nearest(word: str, known: Sequence[str]) -> str:
    """Answer "; did you mean 'x'?" for the closest known word, else the list of all."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(sorted(known))}"


def _read_with_base(path: Path) -> dict[str, Any]:
    values = _mapping(read_yaml(path), path)
    base = values.pop("base", None)
    if base is None:
        return values
    if not isinstance(base, str) or Path(base).is_absolute() or ".." in Path(base).parts:
        raise ConfigError(f"{path}: base must be a file name beside this config, found {base!r}")
    below = _mapping(read_yaml(path.parent / base), path.parent / base)
    if "base" in below:
        raise ConfigError(f"{path.parent / base}: a base config may not have a base of its own")
    return _merged(below, values)


def _mapping(values: Any, path: Path) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(values).__name__}")
    return values


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Lay `above` over `below`; a part of another name replaces the whole part."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        same_part = isinstance(old, dict) and isinstance(value, dict)
        if same_part and value.get("name", old.get("name")) == old.get("name"):
            result[key] = _merged(old, value)
        else:
            result[key] = value
    return result


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"{override!r}: overrides are written key.path=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{override!r}: the value is not valid YAML: {error}") from error
    *parents, last = key.split(".")
    for parent in parents:
        if values.get(parent) is None:
            values[parent] = {}
        values = values[parent]
        if not isinstance(values, dict):
            raise ConfigError(f"{override!r}: '{parent}' holds a value, not keys")
    if last == "name" and values.get("name") not in (None, value):
        values.clear()  # another part: the old part's keys do not apply to it
    values[last] = value


def _build(values: Any, cls: type, path: str, problems: list[str]) -> Any:
    if not isinstance(values, Mapping):
        problems.append(f"{path or 'config'}: expected keys of {cls.__qualname__}, found {values!r}")
        return None
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in values:
        if key not in fields:
            problems.append(
                f"{_join(path, str(key))}: unknown key for {cls.__qualname__}{nearest(str(key), list(fields))}"
            )
    given: dict[str, Any] = {}
    hints = typing.get_type_hints(cls)
    for name, f in fields.items():
        where = _join(path, name)
        if name in values:
            given[name] = _value(values[name], hints[name], f.metadata.get("table"), where, problems)
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            problems.append(f"{where}: missing, {cls.__qualname__} needs it")
    if problems:
        return None
    try:
        return cls(**given)
    except ValueError as error:
        problems.append(f"{path or 'config'}: {error}")
        return None


def _value(value: Any, hint: Any, table: Any, path: str, problems: list[str]) -> Any:
    if table is not None:
        return _part(value, hint, table, path, problems)
    if dataclasses.is_dataclass(hint):
        return _build(value, typing.cast(type, hint), path, problems)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union(value, args, path, problems)
    if origin is tuple and isinstance(value, list | tuple):
        inner = args if args and args[-1] is not Ellipsis else (args[0],) * len(value)
        if len(inner) == len(value):
            return tuple(
                _value(v, h, None, f"{path}[{i}]", problems)
                for i, (v, h) in enumerate(zip(value, inner, strict=True))
            )
    if origin is dict and isinstance(value, Mapping):
        return {str(k): _value(v, args[1], None, _join(path, str(k)), problems) for k, v in value.items()}
    if origin is typing.Literal and value in args and type(value) in {type(a) for a in args}:
        return value
    return _scalar(value, hint, path, problems)


def _part(value: Any, hint: Any, table: Any, path: str, problems: list[str]) -> Any:
    if value is None and type(None) in typing.get_args(hint):
        return None
    name = value.get("name") if isinstance(value, Mapping) else None
    if not isinstance(name, str):
        problems.append(f"{path}: needs a 'name', one of {', '.join(sorted(table))}")
        return None
    if name not in table:
        problems.append(f"{path}.name: unknown '{name}'{nearest(name, list(table))}")
        return None
    return _build(value, table[name].Config, path, problems)


def _union(value: Any, args: tuple[Any, ...], path: str, problems: list[str]) -> Any:
    if value is None and type(None) in args:
        return None
    tried: list[str] = []
    for arg in args:
        if arg is type(None):
            continue
        local: list[str] = []
        result = _value(value, arg, None, path, local)
        if not local:
            return result
        tried = tried or local
    problems.extend(tried)
    return None


def _scalar(value: Any, hint: Any, path: str, problems: list[str]) -> Any:
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint in (int, str, bool) and type(value) is hint:
        return value
    hint_text = getattr(hint, "__name__", str(hint).replace("typing.", ""))
    advice = " (write 1.0e-4: YAML reads 1e-4 as text)" if hint is float and isinstance(value, str) else ""
    problems.append(f"{path}: expected {hint_text}, found {value!r}{advice}")
    return None


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
