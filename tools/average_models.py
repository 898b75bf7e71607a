"""Average the weights of runs that share a start: a model folder that keeps what each of them does well.

usage: python tools/average_models.py OUT WEIGHT:RUN WEIGHT:RUN/checkpoints/step-N ...
       weights like .5 or 1/6

Source: Wortsman et al. 2022, arXiv:2203.05482 (model soups); 2021, arXiv:2109.01903 (between start and end).
"""

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from lumde.models import load, save


def main(out: Path, parts: dict[Path, float]) -> None:
    """Write the average; statistics of normalisation are averaged as weights are."""
    if abs(sum(parts.values()) - 1) > 1e-6:
        raise SystemExit(f"the weights must sum to 1, found {sum(parts.values())}")
    models = {path: load(path) for path in parts}
    average, *_ = models.values()
    states = {path: model.net.state_dict() for path, model in models.items()}
    mixed = {
        name: sum(weight * states[path][name] for path, weight in parts.items())
        if value.is_floating_point()
        else value
        for name, value in average.net.state_dict().items()
    }
    with torch.no_grad():
        average.net.load_state_dict(mixed)
    average.config.training = {"average_of": _parts(parts)}
    save(average, out)


def _parts(parts: dict[Path, float]) -> list[dict[str, Any]]:
    """Every run with the weights of what was taken from it."""
    runs: dict[Path, dict[str, float]] = {}
    for path, weight in parts.items():
        run = path.parent.parent if path.parent.name == "checkpoints" else path
        runs.setdefault(run, {})["its end" if path == run else path.name] = weight
    return [{"weights": weights, **_facts(run)} for run, weights in runs.items()]


def _facts(run: Path) -> dict[str, Any]:
    """What was learned on the way to a run's or an averaged model's weights."""
    if not (run / "result.json").exists():
        training = load(run).config.training
        if "average_of" not in training:
            raise SystemExit(f"{run}: neither a finished run nor an average of such")
        return {"average_of": training["average_of"]}
    facts = json.loads((run / "result.json").read_text(encoding="utf-8"))
    data = {key: value for key, value in facts["data"].items() if key != "processes"}
    start = facts["student"]["init"]
    kept = {"data": data, "seed": facts["seed"], "steps": facts["steps"], "seconds": round(facts["seconds"])}
    if not start:
        return kept
    folder = Path(start)
    return kept | {"from": _facts(folder.parent if folder.name == "model" else folder)}


if __name__ == "__main__":
    named = (argument.split(":", 1) for argument in sys.argv[2:])
    main(Path(sys.argv[1]), {Path(path): float(Fraction(weight)) for weight, path in named})
