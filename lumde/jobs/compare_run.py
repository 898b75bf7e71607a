"""One run of a study, in a process of its own: train, test, measure."""

import json
import re
import resource
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lumde.config import parse, to_dict
from lumde.data.base import FrameDataset
from lumde.engine.checkpoint import stored
from lumde.engine.run import train
from lumde.engine.run_config import TrainConfig, load_config
from lumde.engine.same import require_same
from lumde.errors import ConfigError
from lumde.evaluators.accuracy import evaluate_frames, image_predictor
from lumde.files import read_json, write_json
from lumde.losses.pixelwise import aligned_log_l1
from lumde.metrics.cost import network_cost
from lumde.models import DepthModel, load, resize_disparity

COMPARED = 64  # frames, evenly spread, on which student and teacher are compared
FEWEST_WORLDS = 5  # for a verdict; of fewer sequences, pieces of PIECE frames stand for worlds, without one
PIECE = 10
EXTRAS = ("extra_params", "extra_gmacs")  # of what learns beside a student


@dataclass(frozen=True)
class Run:
    """What to do."""

    config: Path
    overrides: tuple[str, ...]
    out: Path
    tests: Mapping[str, FrameDataset]  # test sets by name
    data: FrameDataset  # what `config` trains on
    teacher: Path | None  # run of the teacher, to tell how well it is imitated
    seconds_before: float  # of training that this run stands on
    threads: int  # that it may compute with


def run_one(run: Run) -> dict[str, Any]:
    """Train unless that is done already, then test; answers the result but its config, ready for JSON."""
    torch.set_num_threads(run.threads)
    config = load_config(run.config, list(run.overrides))
    training = _trained(config, run)
    model = load(run.out).eval()
    teacher = load(run.teacher).eval() if run.teacher else None
    tests = {name: _test(model, teacher, dataset) for name, dataset in run.tests.items()}
    return {
        "steps": training["steps"],
        "seconds": training["seconds"],
        "total_seconds": training["seconds"] + run.seconds_before,
        "peak_mb": training["peak_mb"],
        "notes": training.get("notes", []),
        **{name: training.get(name) for name in EXTRAS},
        **network_cost(model.net, model.config.height, model.config.width),
        "tests": tests,
    }


def _trained(config: TrainConfig, run: Run) -> dict[str, Any]:
    """The result of the training, which may have ended before; ConfigError if that was another one."""
    finished = run.out / "study_result.json"
    whole = finished.exists() and (run.out / "model").is_dir()  # else somebody needed its place
    if whole or stored(run.out / "checkpoints"):
        try:
            require_same(config, run.out / "config.yaml")
        except ConfigError as error:
            raise ConfigError(
                f"{run.out.name}: {error}\nremove {run.out}, and that run begins anew, or rename the row"
            ) from error
    if whole:
        found: dict[str, Any] = read_json(finished)
        return found
    result = train(config, run.out, run.out.exists(), quiet=True, opened={"main": run.data})
    result["peak_mb"] = _peak_mb()  # of training alone: a process that only tests needs less
    write_json(finished, result)
    return result


def completed(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that an earlier version stored, with what it did not know of at its default: off.

    Empty where they hold what this version has no more.
    """
    try:
        return settings(parse(stored, TrainConfig))
    except ConfigError:
        return {}


def settings(config: TrainConfig) -> dict[str, Any]:
    """A config without its seed, as JSON gives it back: what all seeds of a row share."""
    values: dict[str, Any] = json.loads(json.dumps(to_dict(config)))
    values["loop"].pop("seed")
    return values


def sometimes(tests: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Means of what not all rows have: a teacher to agree with, depth in metres; None where one lacks it."""
    found: dict[str, float | None] = {}
    for name in ("agreement", "unscaled"):
        known = [test[name] for test in tests if test.get(name) is not None]
        found[name] = float(np.mean(known)) if len(known) == len(tests) else None
    return found


def _peak_mb() -> float:
    """Most memory this process held, MB; a child's own, not what it began as a copy of."""
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))):
        return int(found[1]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _test(model: DepthModel, teacher: DepthModel | None, dataset: FrameDataset) -> dict[str, Any]:
    """Metrics over frames, abs_rel without scaling too; means of each world; distance to the teacher."""
    predict = image_predictor(model.disparity)
    result = evaluate_frames(predict, dataset)
    metric = model.config.unit == "metres"
    unscaled = evaluate_frames(predict, dataset, align="none").summary["metrics"] if metric else {}
    return {
        "metrics": result.summary["metrics"],
        "unscaled": unscaled.get("abs_rel"),
        "affine": model.config.affine,
        "worlds": _world_means(result.rows),
        "pieces": _few(result.rows),
        "agreement": None if teacher is None else _distance(model, teacher, dataset),
    }


def _world_means(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Means over the frames of each sequence, or of each piece where there are few sequences."""
    sequences, worlds = defaultdict(list), {}
    for row in rows:
        sequences[row["sequence"]].append((np.log(row["abs_rel"]), row["a1"]))
    few = _few(rows)
    for name, values in sorted(sequences.items()):
        length = PIECE if few else len(values)
        for start in range(0, len(values), length):
            piece = f"{name}/{start}" if few else name
            means = np.mean(values[start : start + length], axis=0).tolist()
            worlds[piece] = dict(zip(("log_abs_rel", "a1"), means, strict=True))
    return worlds


def _few(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there are so few sequences that pieces of them stand for worlds."""
    return len({row["sequence"] for row in rows}) < FEWEST_WORLDS


def _distance(model: DepthModel, teacher: DepthModel, dataset: FrameDataset) -> float:
    """Mean |log difference| of both depths after taking out their common factor."""
    predictors = [image_predictor(net.disparity) for net in (model, teacher)]
    found = []
    stride = max(1, len(dataset.targets) // COMPARED)
    for key in dataset.targets[::stride]:
        image = dataset.read_fields(key, ()).image
        ours, theirs = (torch.from_numpy(predict(image))[None, None] for predict in predictors)
        theirs = resize_disparity(theirs, (ours.shape[-2], ours.shape[-1]))
        found.append(float(aligned_log_l1(1 / ours, 1 / theirs)))
    return float(np.mean(found))
