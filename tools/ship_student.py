"""Make a finished run the shipped model: fp16 weights and a card, in lumde/shipped/NAME.

usage: python tools/ship_student.py RUN RESULTS NAME      RESULTS: of tools/run_zero_shot.sh
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from lumde.metrics.cost import network_cost
from lumde.models import load, save
from lumde.models.folder import SHIPPED
from lumde.worlds import VERSION

COMMANDS = (
    "lumde train light_worlds --out runs/light_worlds",
    "lumde train light_worlds_fine --out runs/light_worlds_fine",
)
SIZE = (192, 640)  # rows and columns that the cost is told for
LICENCE = "Apache-2.0; learned from procedural worlds alone, no recording and no foreign weights"


def main(run: Path, results: Path, name: str) -> None:
    """Write the model folder anew."""
    model = load(run)
    parts = [_facts(path) for path in _parts(run)]
    cost = network_cost(model.net, *SIZE)
    model.config.fit = "area"
    model.config.training = {
        "licence": LICENCE,
        "data": f"procedural worlds, generator {VERSION}",
        "commands": list(COMMANDS[: len(parts)]),
        "parts": parts,
        "params": f"{cost['params'] / 1e6:.2f} M",
        "gmacs_640x192": f"{cost['gmacs']:.2f}",
        "abs_rel": {
            file.stem.removeprefix("zero_shot_"): _read(file)["metrics"]["abs_rel"]
            for file in sorted(results.glob("zero_shot_*.json"))
        },
    }
    shutil.rmtree(SHIPPED / name, ignore_errors=True)
    SHIPPED.mkdir(exist_ok=True)
    save(model, SHIPPED / name, half=True)


def _parts(run: Path) -> list[Path]:
    """The runs that led to this one by their starting weights, the first one first."""
    start = _read(run / "result.json")["student"]["init"]
    earlier = _parts(Path(start).parent) if start else []
    return [*earlier, run]


def _facts(run: Path) -> dict[str, Any]:
    """What was learned in one part."""
    facts = _read(run / "result.json")
    data = {key: value for key, value in facts["data"].items() if key != "processes"}
    return {"data": data, "seed": facts["seed"], "steps": facts["steps"], "seconds": round(facts["seconds"])}


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
