"""Interchangeable parts: a table maps names to classes, a config names its part, a glance lists them."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Named:
    """Base of every part's config: `name` is the part's key in its table."""

    name: str


def choice(table: Mapping[str, type], default: Any = MISSING) -> Any:
    """Declare a config field that holds the `Config` of one entry of `table`, picked by its `name`.

    Args:
        table: name -> part; each part nests a dataclass `Config(Named)`.
        default: None for an optional part, or a zero-argument factory of the default config.
    """
    metadata = {"table": table}
    if default is MISSING:
        return field(metadata=metadata)
    if default is None:
        return field(default=None, metadata=metadata)
    return field(default_factory=default, metadata=metadata)


def build(table: Mapping[str, type], config: Named, *parts: Any) -> Any:
    """Make the part that `config` names; `parts` are handed on to its constructor."""
    return table[config.name](config, *parts)


def describe(table: Mapping[str, type], columns: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """Tell each entry of `table` as a row: name, the class attributes in `columns`, first docstring line."""
    rows = []
    for name, part in table.items():
        row = {"name": name}
        for column in columns:
            value = getattr(part, column, "")
            row[column] = ", ".join(value) if isinstance(value, tuple) else str(value)
        row["what it does"] = (part.__doc__ or "").strip().partition("\n")[0]
        rows.append(row)
    return rows
