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
    book: dict[str, dict[str, Any]] = {}
    shares = {_entered(path, book): weight for path, weight in parts.items()}
    average.config.training = {"weights": out.name, "runs": {**book, out.name: {"average_of": shares}}}
    save(average, out)


def _entered(path: Path, book: dict[str, dict[str, Any]]) -> str:
    """Enter, once, what led to the weights of a run, checkpoint or average; answer their name in the book."""
    run = path.parent.parent if path.parent.name == "checkpoints" else path
    if not (run / "result.json").exists():
        training = load(run).config.training
        if "runs" not in training:
            raise SystemExit(f"{run}: neither a finished run nor an average of such")
        book |= training["runs"]
        return str(training["weights"])
    if run.name not in book:
        book[run.name] = _facts(json.loads((run / "result.json").read_text(encoding="utf-8")), book)
    return run.name if run == path else f"{run.name}/{path.name}"


def _facts(result: dict[str, Any], book: dict[str, dict[str, Any]]) -> dict[str, Any]:
    data = {key: value for key, value in result["data"].items() if key != "processes"}
    facts = {
        "data": data,
        "seed": result["seed"],
        "steps": result["steps"],
        "seconds": round(result["seconds"]),
    }
    start = Path(result["student"]["init"] or "")
    if not start.name:
        return facts
    return facts | {"from": _entered(start.parent if start.name == "model" else start, book)}


if __name__ == "__main__":
    named = (argument.split(":", 1) for argument in sys.argv[2:])
    main(Path(sys.argv[1]), {Path(path): float(Fraction(weight)) for weight, path in named})
