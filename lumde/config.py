"""YAML -> nested dataclasses, strict: unknown, missing and mistyped keys stop the run with their dotted path.

A part is picked by `name` (registry.choice). Nothing is imported or executed by name: only tables are asked.
"""

import dataclasses
import difflib
import math
import reprlib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lumde.errors import ConfigError
from lumde.files import parse_yaml, read_yaml
from lumde.strict_yaml import yaml_text

T = TypeVar("T")


def load(path: Path, cls: type[T], overrides: Sequence[str] = ()) -> T:
    """Read a config file, its `base:` file if it names one, then the `key.path=value` overrides.

    Overrides that pick a part (`method.name=...`) go first: the old part's keys do not apply to the new one.

    Raises:
        ConfigError: listing every problem found, with dotted paths and nearest spellings.
    """
    values = read_values(path)
    for override in sorted(overrides, key=_parts_first):
        _apply_override(values, override)
    return parse(values, cls)


def parse(values: Mapping[str, Any], cls: type[T]) -> T:
    """Build dataclass `cls` from plain values; every problem is reported at once."""
    problems: list[str] = []
    result = _build(values, cls, "", problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return typing.cast(T, result)


def parse_part(values: Any, table: Mapping[str, Any], where: str) -> Any:
    """Build the config of the part that `values` name; problems are told as those of the key `where`."""
    problems: list[str] = []
    result = _part(values, None, table, where, problems)
    if problems:
        raise ConfigError("\n".join(problems))
    return result


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
    return yaml_text(to_dict(config))


def nearest(word: str, known: Sequence[str]) -> str:
    """Answer "; did you mean 'x'?" for the closest known word, else the list of all."""
    lowered = {one.lower(): one for one in known}
    close = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.5)
    return f"; did you mean '{lowered[close[0]]}'?" if close else f"; known: {', '.join(sorted(known))}"


def read_values(path: Path) -> dict[str, Any]:
    """Plain values of a config file, over those of its `base:` file; ConfigError if it holds none."""
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
        found = "an empty file" if values is None else reprlib.repr(values)
        raise ConfigError(f"{path}: expected keys and values, found {found}")
    return values


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Lay `above` over `below`; a part of another name replaces the whole part."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            other_part = value.get("name", old.get("name")) != old.get("name")
            result[key] = value if other_part else _merged(old, value)
        else:
            result[key] = value
    return result


def _parts_first(override: str) -> float:
    """Sort key: outer parts, inner parts, everything else."""
    key = override.partition("=")[0]
    return float(key.count(".")) if key.endswith(".name") else math.inf


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *parents, last = key.split(".")
    if not equals or not all((*parents, last)):
        raise ConfigError(f"{override!r}: overrides are written key.path=value")
    value = parse_yaml(text, repr(override)) if text else ""
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
    """Make `cls`, or note why not: problems of one part do not hide those of the next."""
    if not isinstance(values, Mapping):
        problems.append(
            f"{path or 'config'}: expected keys of {cls.__qualname__}, found {reprlib.repr(values)}"
        )
        return None
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    local = [
        f"{_join(path, str(key))}: unknown key for {cls.__qualname__}{nearest(str(key), list(fields))}"
        for key in values
        if key not in fields
    ]
    given: dict[str, Any] = {}
    hints = typing.get_type_hints(cls)
    for name, f in fields.items():
        where = _join(path, name)
        if name in values:
            given[name] = _value(values[name], hints[name], f.metadata.get("table"), where, local)
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            local.append(f"{where}: missing, {cls.__qualname__} needs it")
    problems.extend(local)
    if local:
        return None
    try:
        return cls(**given)
    except (ValueError, ArithmeticError) as error:
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
        return _tuple(value, args, path, problems)
    if origin is dict and isinstance(value, Mapping):
        return {str(k): _value(v, args[1], None, _join(path, str(k)), problems) for k, v in value.items()}
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
    choices = [arg for arg in args if arg is not type(None)]
    tried: list[str] = []
    for arg in choices:
        local: list[str] = []
        result = _value(value, arg, None, path, local)
        if not local:
            return result
        tried.extend(local)
    if len(choices) == 1 or isinstance(value, Mapping):
        problems.extend(tried)
    else:
        problems.append(f"{path}: expected {' or '.join(map(_spell, choices))}, found {reprlib.repr(value)}")
    return None


def _tuple(value: Sequence[Any], args: tuple[Any, ...], path: str, problems: list[str]) -> Any:
    hints = (args[0],) * len(value) if args[-1] is Ellipsis else args
    if len(hints) != len(value):
        problems.append(f"{path}: expected {len(hints)} values, found {len(value)}")
        return None
    return tuple(
        _value(inner, hint, None, f"{path}[{i}]", problems)
        for i, (inner, hint) in enumerate(zip(value, hints, strict=True))
    )


def _scalar(value: Any, hint: Any, path: str, problems: list[str]) -> Any:
    if hint is float and type(value) in (int, float) and _is_finite(value):
        return float(value)
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint in (int, str, bool) and type(value) is hint:
        return value
    if hint is typing.Any:
        return value
    allowed = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()
    if any(value == one and type(value) is type(one) for one in allowed):
        return value
    problems.append(
        f"{path}: expected {_spell(hint)}, found {reprlib.repr(value)}{_advice(value, hint, allowed)}"
    )
    return None


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the largest float
        return False


def _spell(hint: Any) -> str:
    """Tell a type as a user would: `one of 'a', 'b'`, `a number`, `a list of whole numbers`."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return f"one of {', '.join(map(repr, args))}"
    if origin is tuple:
        return f"a list of {_spell(args[0])}" if args[-1] is Ellipsis else f"[{', '.join(map(_spell, args))}]"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_spell, args))
    words = {
        float: "a finite number",
        int: "a whole number",
        str: "a text",
        bool: "true or false",
        Path: "a path",
    }
    words |= {type(None): "null"}
    return words.get(hint, getattr(hint, "__qualname__", str(hint)))


def _advice(value: Any, hint: Any, allowed: tuple[Any, ...]) -> str:
    if hint is str and value is not None:
        return " (write it in quotes)"
    if isinstance(value, str) and allowed:
        return nearest(value, [one for one in allowed if isinstance(one, str)])
    return ""


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
