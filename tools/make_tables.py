"""Rewrite the part tables of README.md from the code: `python tools/make_tables.py`, or `make tables`."""

import re
from pathlib import Path

from lumde.cli.list import KINDS, rows

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(<!-- table:(\w+) -->\n).*?(<!-- /table -->)", re.DOTALL)


def markdown(parts: list[dict[str, str]]) -> str:
    """Rows as a Markdown table; names in code type, empty columns left out."""
    names = [name for name in parts[0] if any(row[name] for row in parts)]
    lines = [names, ["---"] * len(names)]
    lines += [[f"`{row[name]}`" if name == "name" else row[name] or "-" for name in names] for row in parts]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def with_tables(text: str) -> str:
    """The text with every marked block filled anew."""
    tables = {kind: markdown(rows(kind)) for kind in KINDS}
    return BLOCK.sub(lambda match: match[1] + tables[match[2]] + match[3], text)


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
