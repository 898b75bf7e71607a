"""List the parts that a config can name: training methods, networks, datasets, teachers, evaluators."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from lumde.files import write_json
from lumde.registry import describe

EXAMPLE = "lumde list methods"
KINDS = ("methods", "nets", "datasets", "teachers", "evaluators")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the table to print."""
    parser.add_argument("table", choices=KINDS, help="which parts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here too")


def run(args: argparse.Namespace) -> None:
    """Print one table."""
    parts = rows(args.table)
    if args.json:
        write_json(args.json, parts)
    print(aligned(parts))


def rows(kind: str) -> list[dict[str, str]]:
    """One row per part of a table; the README shows the same."""
    if kind == "methods":
        from lumde.methods import METHODS

        return describe(METHODS, ("streams", "phases", "needs", "source"))
    if kind == "nets":
        from lumde.nets import CRITICS, DEPTH_NETS, POSE_NETS

        tables: dict[str, Mapping[str, type]] = {"depth": DEPTH_NETS, "pose": POSE_NETS, "critic": CRITICS}
        return [{"kind": name, **row} for name, table in tables.items() for row in describe(table)]
    if kind == "datasets":
        from lumde.data import DATASETS

        return describe(DATASETS, ("provides",))
    if kind == "teachers":
        from lumde.teachers import TEACHERS

        return describe(TEACHERS, ("gives",))
    from lumde.evaluators import EVALUATORS

    return describe(EVALUATORS)


def aligned(parts: list[dict[str, str]]) -> str:
    """Rows as text columns under their names."""
    lines = [list(parts[0]), *(list(row.values()) for row in parts)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (map(str.ljust, line, widths) for line in lines)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)
