"""List the parts that a config can name (methods, networks, datasets, ...), and the shipped models."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lumde.files import write_json
from lumde.registry import describe

if TYPE_CHECKING:
    from lumde.models import ModelConfig

EXAMPLE = "lumde list methods"
KINDS = ("models", "methods", "nets", "datasets", "teachers", "evaluators")


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
    if kind == "models":
        from lumde.models import shipped_models

        return [_model_row(name, config) for name, config in shipped_models().items()]
    if kind == "teachers":
        from lumde.teachers import TEACHERS

        return describe(TEACHERS, ("gives",))
    from lumde.evaluators import EVALUATORS

    return describe(EVALUATORS)


def _model_row(name: str, config: "ModelConfig") -> dict[str, str]:
    """Name, network, size and what its card says it measured."""
    facts = config.training
    numbers = {key: f"{value:.3f}" for key, value in facts.get("abs_rel", {}).items()}
    return {
        "name": name,
        "net": config.net.name,
        "params": facts.get("params", ""),
        "gmacs_640x192": facts.get("gmacs_640x192", ""),
        "unit": config.unit,
        **{f"abs_rel {key}": value for key, value in numbers.items()},
    }


def aligned(parts: list[dict[str, str]]) -> str:
    """Rows as text columns under their names."""
    lines = [list(parts[0]), *(list(row.values()) for row in parts)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (map(str.ljust, line, widths) for line in lines)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)
