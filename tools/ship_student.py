"""Make a model the shipped one: fp16 weights and a card, in lumde/shipped/NAME.

usage: python tools/ship_student.py MODEL RESULTS NAME    MODEL: of tools/average_models.py
                                                         RESULTS: of tools/run_zero_shot.sh
"""

import json
import shutil
import sys
from pathlib import Path

from lumde.metrics.cost import network_cost
from lumde.models import load, save
from lumde.models.folder import SHIPPED
from lumde.worlds import VERSION

PARTS = ("light_worlds", "light_worlds_windows", "light_worlds_roads")
COMMANDS = (
    *(f"lumde train {part} --out runs/{part}" for part in PARTS),
    f"python tools/average_models.py runs/shipped 1:runs/{PARTS[-1]}",
)
SIZE = (192, 640)  # rows and columns that the cost is told for
LIMITS = (
    "a start to adapt from, nothing to drive by: on KITTI clip 06 one constant depth is as good; "
    "bright walls over dark things may be taken for sky"
)
LICENCE = "Apache-2.0; learned from procedural worlds alone, no recording and no foreign weights"


def main(path: Path, results: Path, name: str) -> None:
    """Write the model folder anew."""
    model = load(path)
    cost = network_cost(model.net, *SIZE)
    rows = {
        file.stem.removeprefix("zero_shot_"): json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(results.glob("zero_shot_*.json"))
    }
    model.config.training = {
        "licence": LICENCE,
        "limits": LIMITS,
        "data": f"procedural worlds, generator {VERSION}",
        "commands": list(COMMANDS),
        **model.config.training,
        "params": f"{cost['params'] / 1e6:.2f} M",
        "gmacs_640x192": f"{cost['gmacs']:.2f}",
        "abs_rel": {name: round(row["metrics"]["abs_rel"], 4) for name, row in rows.items()},
        "abs_rel_of_a_constant": {
            name: round(row["trivial"]["constant_depth"]["abs_rel"], 4) for name, row in rows.items()
        },
    }
    shutil.rmtree(SHIPPED / name, ignore_errors=True)
    SHIPPED.mkdir(exist_ok=True)
    save(model, SHIPPED / name, half=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
