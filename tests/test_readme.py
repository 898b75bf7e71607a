"""What the documents say is what the code does: part tables, commands, file map."""

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

from lumde import cli
from lumde.engine.run_config import load_config
from lumde.packaged import own_or_package_file

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
INLINE = re.compile(r"`(lumde [^`]*)`")
BLOCK = re.compile(r"^```(?:bash|sh|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def make_tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_tables", ROOT / "tools" / "make_tables.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(path: Path) -> list[list[str]]:
    """Every `lumde ...` line of the shell blocks, continuation lines joined, comments dropped."""
    text = path.read_text(encoding="utf-8")
    blocks = "".join(BLOCK.findall(text)).replace("\\\n", " ")
    inline = (match.replace("\n", " ") for match in INLINE.findall(BLOCK.sub("", text)))
    blocks += "".join(f"\n{words}" for words in inline if "--out" in words)  # not a verb that is spoken of
    lines = (shlex.split(line.removeprefix("$ "), comments=True) for line in blocks.splitlines())
    return [words[1:] for words in lines if words and words[0].rpartition("/")[2] == "lumde"]


def test_the_part_tables_are_those_of_the_code() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tools = make_tables()
    assert [match[2] for match in tools.BLOCK.finditer(text)] == list(tools.KINDS)
    assert tools.with_tables(text) == text, "run: make tables"


def test_a_changed_table_is_seen() -> None:
    text = "<!-- table:teachers -->\n| old |\n<!-- /table -->"
    assert "| old |" not in make_tables().with_tables(text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_parses(path: Path) -> None:
    for words in commands(path):
        if words[0] in ("--version", "--help"):
            continue
        assert words[0] in cli.VERBS
        parser, _ = cli.parser_of(words[0])
        args = cli.parsed(parser, words[1:])
        if words[0] == "train":
            load_config(own_or_package_file("configs", args.config, ".yaml"), args.overrides)


def test_every_example_of_the_help_parses() -> None:
    for verb in cli.VERBS:
        parser, module = cli.parser_of(verb)
        for example in module.EXAMPLE.splitlines():
            words = shlex.split(example)
            assert words[:2] == ["lumde", verb]
            cli.parsed(parser, words[2:])


def test_the_file_map_names_every_room() -> None:
    rooms = {path.stem for path in (ROOT / "lumde").iterdir() if path.is_dir() or path.suffix == ".py"}
    rooms -= {"__init__", "__main__", "__pycache__"}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("| room |")[2].partition("\n\n")[0]
    assert {
        name
        for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", cell)
    } == rooms


def test_it_says_what_it_is_not() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert "independent implementation" in text
    assert "not affiliated" in text
