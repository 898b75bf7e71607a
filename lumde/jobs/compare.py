"""A study: rows (trainings) under several seeds, on frozen test sets, with the contrasts that were declared.

Every finished run leaves one small JSON file, and a study that is started again does only what has none.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from lumde.config import dump, load
from lumde.data import DATASETS
from lumde.data.base import FrameDataset
from lumde.engine.run import TrainConfig, data_config
from lumde.errors import ConfigError, ResourceError
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
from lumde.jobs.compare_run import Run, run_one, settings
from lumde.jobs.study import (
    StudyConfig,
    config_of,
    filled,
    order,
    overrides_of,
    row_config,
    run_folder,
    without_root,
)
from lumde.metrics.paired import Contrast, contrast, holm
from lumde.registry import build
from lumde.report.study import write_study

Say = Callable[[str], None]


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
    configs = {name: config_of(study, name, path.parent, out) for name in study.rows}
    tests = {name: _dataset(name, values) for name, values in filled(study.tests, study.root).items()}
    claim_output(out, resume)
    _require_same(study, out / "study.yaml")
    write_text(out / "study.yaml", dump(study))
    (out / "results").mkdir(exist_ok=True)
    declared = _declared(study, out)
    results = _run_all(study, configs, path.parent, out, say)
    trivial = {name: evaluate_trivial(dataset) for name, dataset in tests.items()}
    summary = _summary(study, results, trivial, declared)
    write_json(out / "study.json", summary)
    write_study(out, summary)
    return summary


def _dataset(name: str, values: Any) -> FrameDataset:
    dataset: FrameDataset = build(DATASETS, data_config(values, f"tests.{name}"))
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
        now = {"judged_on": study.judged_on, "contrasts": {k: list(v) for k, v in study.contrasts.items()}}
        write_json(file, now)
    if not file.exists():  # results were copied alone: nobody knows what was asked beforehand
        return {}
    found: dict[str, Any] = read_json(file)
    return found["contrasts"] if found["judged_on"] == study.judged_on else {}


def _found(
    study: StudyConfig, configs: dict[str, TrainConfig], out: Path
) -> dict[tuple[str, int], dict[str, Any]]:
    """Results so far; ConfigError for one that another config left."""
    found = {}
    for name, seed in order(study):
        file = out / "results" / f"{name}-seed{seed}.json"
        if not file.exists():
            continue
        found[name, seed] = read_json(file)
        if found[name, seed]["config"] != without_root(settings(configs[name]), study.root):
            raise ConfigError(f"rows.{name}: has changed since it ran in {out}; give it a new name")
    return _without_lost(study, found, out)


def _without_lost(
    study: StudyConfig, found: dict[tuple[str, int], Any], out: Path
) -> dict[tuple[str, int], Any]:
    """Results but those of runs that are gone (results were copied alone) and that open rows stand on."""
    kept = dict(found)
    for name, seed in reversed(list(order(study))):  # what stands on others comes after them
        if (name, seed) in kept:
            continue
        for other in study.rows[name].stands_on:
            if not (run_folder(out, other, seed) / "model").is_dir():
                kept.pop((other, seed), None)
    return kept


def _run_all(
    study: StudyConfig, configs: dict[str, TrainConfig], folder: Path, out: Path, say: Say
) -> dict[tuple[str, int], dict[str, Any]]:
    """Train and test every row under every seed, teachers first; results by row and seed."""
    results = _found(study, configs, out)
    open_runs = [key for key in order(study) if key not in results]
    say(f"{len(results)} of {len(results) + len(open_runs)} runs have results")

    def finished(key: tuple[str, int], result: dict[str, Any]) -> None:
        results[key] = result
        write_json(out / "results" / f"{key[0]}-seed{key[1]}.json", result)
        say(f"{key[0]}, seed {key[1]}: {_told(study, result)}")

    def run_of(key: tuple[str, int]) -> Run:
        say(f"{key[0]}, seed {key[1]} ...")
        return _run(study, key, folder, out, results)

    if not study.at_once:
        for key in open_runs:
            finished(key, run_one(run_of(key)))
        return results
    running: dict[Future[dict[str, Any]], tuple[str, int]] = {}
    # A process per run: memory is measured per process, and nothing leaks from one run into the next.
    with _pool(study.at_once) as pool:
        while open_runs or running:
            ready = [key for key in open_runs if _ready(study, key, results)]
            for key in ready[: study.at_once - len(running)]:
                open_runs.remove(key)
                running[pool.submit(run_one, run_of(key))] = key
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda one: one.exception() is not None):  # failures last
                finished(running.pop(future), future.result())
    return results


@contextmanager
def _pool(at_once: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with the study: whatever stops it stops them, and each saves its state."""
    pool = ProcessPoolExecutor(at_once, get_context("spawn"), max_tasks_per_child=1)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise ResourceError(
            "a run of the study was ended from outside, e.g. for lack of memory; lower at_once, then --resume"
        ) from error
    finally:
        for process in list((pool._processes or {}).values()):
            process.terminate()  # SIGTERM: a training saves and ends; one that is done does not mind
        pool.shutdown(cancel_futures=True)


def _ready(study: StudyConfig, key: tuple[str, int], results: dict[tuple[str, int], Any]) -> bool:
    return all((other, key[1]) in results for other in study.rows[key[0]].stands_on)


def _run(
    study: StudyConfig, key: tuple[str, int], folder: Path, out: Path, results: dict[tuple[str, int], Any]
) -> Run:
    """What one child process is to do."""
    name, seed = key
    row = study.rows[name]
    before = float(sum(results[other, seed]["total_seconds"] for other in row.stands_on))
    return Run(
        config=row_config(row, folder),
        overrides=overrides_of(study, name, seed, out),
        out=run_folder(out, name, seed),
        tests=filled(study.tests, study.root),
        teacher=run_folder(out, row.teacher, seed) if row.teacher else None,
        seconds_before=before,
        root=study.root,
    )


def _told(study: StudyConfig, result: dict[str, Any]) -> str:
    metrics = result["tests"][study.judged_on]["metrics"]
    return f"abs_rel {metrics['abs_rel']:.4f} on {study.judged_on} after {result['seconds']:.0f} s"


def _summary(
    study: StudyConfig,
    results: dict[tuple[str, int], dict[str, Any]],
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
        rows[name] = {"title": row.title or name, **cost, "tests": tests}
    return {
        "seeds": list(study.seeds),
        "judged_on": study.judged_on,
        "rows": rows,
        "trivial": trivial,
        "contrasts": _contrasts(study, results, declared),
        "overrides": list(study.overrides),
        "tests": study.tests,
    }


def _mean(tests: list[dict[str, Any]]) -> dict[str, float]:
    """Means over seeds, and the spread of abs_rel between them."""
    values = {name: float(np.mean([t["metrics"][name] for t in tests])) for name in tests[0]["metrics"]}
    values["abs_rel_std"] = float(np.std([t["metrics"]["abs_rel"] for t in tests]))
    agreements = [t["agreement"] for t in tests if t["agreement"] is not None]
    return {**values, "agreement": float(np.mean(agreements))} if agreements else values


def _contrasts(
    study: StudyConfig, results: dict[tuple[str, int], dict[str, Any]], declared: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Every contrast with its interval; those declared beforehand with p-values after Holm and verdicts."""
    found = {
        title: contrast(_errors(study, results, row), _errors(study, results, reference))
        for title, (row, reference) in study.contrasts.items()
    }
    asked = {title for title, pair in study.contrasts.items() if declared.get(title) == list(pair)}
    adjusted = holm({title: one.p for title, one in found.items() if title in asked})
    return {
        title: {
            "row": study.contrasts[title][0],
            "reference": study.contrasts[title][1],
            **asdict(one),
            "ratio": list(one.ratio),
            "p_holm": adjusted.get(title),
            "verdict": _verdict(one, adjusted[title]) if title in asked else "exploratory",
        }
        for title, one in found.items()
    }


def _errors(
    study: StudyConfig, results: dict[tuple[str, int], dict[str, Any]], row: str
) -> Float[np.ndarray, "seeds worlds"]:
    """Mean log abs_rel of each test world under each seed."""
    worlds = [results[row, seed]["tests"][study.judged_on]["worlds"] for seed in study.seeds]
    return np.array([[by_world[world] for world in worlds[0]] for by_world in worlds])


def _verdict(one: Contrast, p_holm: float) -> str:
    if p_holm >= 0.05 or one.low <= 0 <= one.high:
        return "neutral"
    return "helps" if one.mean < 0 else "harms"
