"""A study: rows (trainings) under several seeds, on frozen test sets, with the contrasts that were declared.

Every finished run leaves one small JSON file, and a study that is started again does only what has none.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from lumde.config import dump, load, to_dict
from lumde.data.base import FrameDataset
from lumde.errors import ConfigError
from lumde.evaluators.accuracy import evaluate_trivial
from lumde.files import (
    claim_output,
    parse_yaml,
    read_json,
    read_text,
    require_unused,
    write_json,
    write_text,
)
from lumde.jobs.compare_all import Opened, Results, Say, StudyRuns, row_settings
from lumde.jobs.compare_run import FEWEST_WORLDS, completed
from lumde.jobs.study import StudyConfig, TuningConfig, config_of
from lumde.jobs.tuning import Errors, try_all, with_best
from lumde.lock import locked
from lumde.metrics.paired import Contrast, contrast, holm
from lumde.registry import Named
from lumde.report.study import write_study

FEWEST_SEEDS = 5  # for a verdict: with fewer, an interval over seeds means little


def compare(path: Path, out: Path, resume: bool, say: Say, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Run what has no result yet, then write tables, figure and contrasts.

    Args:
        path: the study.
        out: new folder, or that of the study so far.
        resume: go on in `out`.
        say: hears what is going on.
        overrides: of the study, key.path=value.

    Returns:
        What `out`/study.json holds.

    Raises:
        LumdeError: the child that fits; finished runs keep their results.
    """
    require_unused(out, resume)
    study = load(path, StudyConfig, list(overrides))
    for name in study.rows:  # a wrong key ends the study before its first run
        config_of(study, name, path.parent, out)
    opened = Opened()
    tests = {name: _with_truth(opened, name, config) for name, config in study.test_configs().items()}
    claim_output(out, resume)
    with locked(out):
        return _compared(study, opened, tests, path.parent, out, say)


def _compared(
    study: StudyConfig, opened: Opened, tests: dict[str, FrameDataset], folder: Path, out: Path, say: Say
) -> dict[str, Any]:
    _require_same(study, out / "study.yaml")
    write_text(out / "study.yaml", dump(study))
    (out / "results").mkdir(exist_ok=True)
    declared = _declared(study, out)
    errors: Errors = {}
    if study.tuning:
        errors = _tuned(study, study.tuning, opened, folder, out, say)
        study = with_best(study, study.tuning, errors)
    results = StudyRuns(study, opened, folder, out, say).run()
    trivial = {name: evaluate_trivial(dataset) for name, dataset in tests.items()}
    summary = _summary(study, results, trivial, declared) | {"tuning": _listed(study, errors)}
    write_json(out / "study.json", summary)
    write_study(out, summary)
    return summary


def _with_truth(opened: Opened, name: str, config: Named) -> FrameDataset:
    dataset = opened(config)
    if "depth" not in dataset.provides:
        raise ConfigError(f"tests.{name}: has no ground truth to test on")
    return dataset


def _require_same(study: StudyConfig, path: Path) -> None:
    """More seeds, rows or contrasts may join a study; what has run must stay as it was."""
    if not path.exists():
        return
    old = parse_yaml(read_text(path), str(path))
    new = parse_yaml(dump(study), "study")
    for key in ("tests", "overrides"):
        if old[key] != new[key]:
            raise ConfigError(f"{key}: not those of the study in {path.parent}")


def _declared(study: StudyConfig, out: Path) -> dict[str, Any]:
    """Contrasts as they stood before the first result: it may have chosen what is asked afterwards."""
    file = out / "declared.json"
    if not any((out / "results").iterdir()):
        now = {"judged_on": study.judged_on, "contrasts": _pairs(study), "keeps": to_dict(study.keeps)}
        write_json(file, now)
    # Where results were copied alone, nobody knows what was asked beforehand.
    found: dict[str, Any] = read_json(file) if file.exists() else {"judged_on": ""}
    return found if found["judged_on"] == study.judged_on else {"contrasts": {}, "keeps": {}}


def _pairs(study: StudyConfig) -> dict[str, list[str]]:
    return {title: list(pair) for title, pair in study.contrasts.items()}


def _tuned(
    study: StudyConfig, tuning: TuningConfig, opened: Opened, folder: Path, out: Path, say: Say
) -> Errors:
    """Errors of every row's tries, from an earlier start where nothing has changed since."""
    file, about = out / "tuning.json", json.loads(json.dumps(to_dict(tuning)))
    rows = {name: row_settings(study, name, folder, out) for name in study.rows}
    if file.exists():
        earlier = read_json(file)
        known = {name: completed(settings) for name, settings in earlier["rows"].items()}
        if earlier["tuning"] == about and rows.items() <= known.items():
            found: Errors = earlier["errors"]
            return found
    (out / "tuning" / "results").mkdir(parents=True, exist_ok=True)

    def run_all(tries: StudyConfig) -> Results:
        for name, config in tries.test_configs().items():
            _with_truth(opened, name, config)
        return StudyRuns(tries, opened, folder, out / "tuning", say).run(forgive=True)

    errors = try_all(study, tuning, run_all)
    write_json(file, {"tuning": about, "rows": rows, "errors": errors})
    return errors


def _listed(study: StudyConfig, errors: Errors) -> list[dict[str, Any]]:
    """What every row tried, as tables have it."""
    if not study.tuning:
        return []
    return [
        {"row": row.title or name, **dict(zip(study.tuning.tries, errors[name], strict=True))}
        for name, row in study.rows.items()
    ]


def _summary(
    study: StudyConfig,
    results: Results,
    trivial: dict[str, Any],
    declared: dict[str, Any],
) -> dict[str, Any]:
    """Means over seeds of every row and test, and the declared contrasts."""
    rows = {}
    for name, row in study.rows.items():
        runs = [results[name, seed] for seed in study.seeds]
        tests = {test: _mean([run["tests"][test] for run in runs]) for test in study.tests}
        facts = ("params", "gmacs", "ms", "steps", "seconds", "total_seconds", "peak_mb")
        cost = {fact: float(np.mean([run[fact] for run in runs])) for fact in facts}
        cost |= {fact: round(cost[fact]) for fact in ("params", "steps")}
        rows[name] = {"title": row.title or name, **cost, "tests": tests}
    return {
        "seeds": list(study.seeds),
        "judged_on": study.judged_on,
        "rows": rows,
        "trivial": trivial,
        "contrasts": _contrasts(study, results, declared["contrasts"]),
        "keeps": _keeps(study, results, declared["keeps"]),
        "overrides": list(study.overrides),
        "tests": study.tests,
    }


def _mean(tests: list[dict[str, Any]]) -> dict[str, float]:
    """Means over seeds, and the spread of abs_rel between them."""
    values = {name: float(np.mean([t["metrics"][name] for t in tests])) for name in tests[0]["metrics"]}
    values["abs_rel_std"] = float(np.std([t["metrics"]["abs_rel"] for t in tests], ddof=len(tests) > 1))
    agreements = [t["agreement"] for t in tests if t["agreement"] is not None]
    return {**values, "agreement": float(np.mean(agreements))} if agreements else values


def _contrasts(study: StudyConfig, results: Results, declared: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every contrast with its interval; those declared beforehand with p-values after Holm and verdicts."""
    found = {
        title: contrast(
            _per_world(study, results, row, "log_abs_rel"),
            _per_world(study, results, reference, "log_abs_rel"),
        )
        for title, (row, reference) in study.contrasts.items()
    }
    asked = {title for title, pair in _pairs(study).items() if declared.get(title) == pair}
    few = _too_few(study, results)
    # Who declares eight and shows one has still looked at eight.
    adjusted = holm(dict.fromkeys(declared, 1.0) | {title: found[title].p for title in asked})
    return {
        title: {
            "row": study.contrasts[title][0],
            "reference": study.contrasts[title][1],
            **asdict(one),
            "ratio": list(one.ratio),
            "p_holm": adjusted.get(title),
            "verdict": (few or _verdict(one, adjusted[title])) if title in asked else "exploratory",
        }
        for title, one in found.items()
    }


def _keeps(study: StudyConfig, results: Results, declared: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """How much of the reference's a1 a row loses, with its interval, and whether that is little enough."""
    found, few = {}, _too_few(study, results)
    for title, claim in study.keeps.items():
        row, reference = (_per_world(study, results, name, "a1") for name in (claim.row, claim.reference))
        one = contrast(-row / reference.mean(), -reference / reference.mean())
        judged = "yes" if one.high <= claim.loss else "no" if one.low > claim.loss else "undecided"
        judged = few or judged
        if declared.get(title) != to_dict(claim):
            judged = "exploratory"
        found[title] = {
            "loss": one.mean,
            "from": one.low,
            "to": one.high,
            "at_most": claim.loss,
            "kept": judged,
        }
    return found


def _per_world(
    study: StudyConfig, results: Results, row: str, measure: str
) -> Float[np.ndarray, "seeds worlds"]:
    """Mean of a measure over the frames of each test world under each seed."""
    worlds = [results[row, seed]["tests"][study.judged_on]["worlds"] for seed in study.seeds]
    return np.array([[by_world[world][measure] for world in worlds[0]] for by_world in worlds])


def _too_few(study: StudyConfig, results: Results) -> str:
    """Why there can be no verdict; "" if there can."""
    if len(study.seeds) < FEWEST_SEEDS:
        return "too few seeds"
    judged = results[next(iter(study.rows)), study.seeds[0]]["tests"][study.judged_on]
    return "too few worlds" if len(judged["worlds"]) < FEWEST_WORLDS else ""


def _verdict(one: Contrast, p_holm: float) -> str:
    if p_holm >= 0.05 or one.low <= 0 <= one.high:
        return "neutral"
    return "helps" if one.mean < 0 else "harms"
