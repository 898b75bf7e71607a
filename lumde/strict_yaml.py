"""YAML without surprises: plain values only, and one meaning per spelling.

Against YAML 1.1: no tags, aliases, merge keys, dates; only `true` and `false` are booleans (`no` is a text);
1e-4 is a number; 0001 and 12:30 are texts, not octal and base 60; a key written twice is an error.
"""

import re
from typing import Any

import yaml

from lumde.errors import ConfigError

MAX_DEPTH = 30  # levels of nesting; the reader recurses
MAX_VALUES = 50_000  # a config has hundreds; bounds time and memory
_TAG = "tag:yaml.org,2002:"
_SPELLINGS = (  # of plain scalars: type, pattern, first characters
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))"
        r"|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)


def parse_yaml(text: str, where: str) -> Any:
    """Parse YAML text strictly; `where` names it in errors.

    Raises:
        ConfigError: with the line.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader that refuses more
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{where}{line}: not valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:  # e.g. a control character; an integer of 5,000 digits
        raise ConfigError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from error


def yaml_text(value: Any) -> str:
    """Write plain values so that `parse_yaml`, and readers of YAML 1.1, read the same back."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=100)


class _Loader(yaml.SafeLoader):
    """SafeLoader with the rules above."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way to start empty

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Read one value; refuse what plain configs never hold."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        self._depth += 1
        self._values += 1
        if isinstance(event, yaml.AliasEvent):
            self._refuse("aliases (*name) are not read; write the value out", event)
        if getattr(event, "tag", None) is not None:
            self._refuse(f"tags ({event.tag}) are not read; write a plain value", event)
        if self._depth > MAX_DEPTH or self._values > MAX_VALUES:
            self._refuse(f"more than {MAX_DEPTH} levels or {MAX_VALUES} values", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a dict; refuse a key written twice."""
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, list | dict):
                self._refuse("a key must be a plain word or number", key_node)
            if key in result:
                self._refuse(f"key '{key}' is written twice", key_node)
            result[key] = self.construct_object(value_node, deep=deep)
        return result

    @staticmethod
    def _refuse(problem: str, at: Any) -> None:
        raise yaml.constructor.ConstructorError(None, None, problem, at.start_mark)


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes whatever either reading of YAML would not take as text."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value that occurs twice twice."""
        return True


for _kind, _pattern, _first in _SPELLINGS:
    _regexp = re.compile(f"^(?:{_pattern})$")
    _Loader.add_implicit_resolver(_TAG + _kind, _regexp, _first)
    _Dumper.add_implicit_resolver(_TAG + _kind, _regexp, _first)
