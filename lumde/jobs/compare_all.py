"""All runs of a study, teachers first; each leaves one small JSON file, and only what has none is run."""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from lumde.errors import ConfigError, ResourceError
from lumde.files import read_json, write_json
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

Say = Callable[[str], None]
Results = dict[tuple[str, int], dict[str, Any]]  # by row and seed


def run_all(study: StudyConfig, folder: Path, out: Path, say: Say) -> Results:
    """Train and test every row under every seed, teachers first; results by row and seed."""
    results = _found(study, folder, out)
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


def _found(study: StudyConfig, folder: Path, out: Path) -> Results:
    """Results so far; ConfigError for one that another config left."""
    configs = {name: config_of(study, name, folder, out) for name in study.rows}
    found = {}
    for name, seed in order(study):
        file = out / "results" / f"{name}-seed{seed}.json"
        if not file.exists():
            continue
        found[name, seed] = read_json(file)
        if found[name, seed]["config"] != without_root(settings(configs[name]), study.root):
            raise ConfigError(f"rows.{name}: has changed since it ran in {out}; give it a new name")
    return _without_lost(study, found, out)


def _without_lost(study: StudyConfig, found: Results, out: Path) -> Results:
    """Results but those of runs that are gone (results were copied alone) and that open rows stand on."""
    kept = dict(found)
    for name, seed in reversed(list(order(study))):  # what stands on others comes after them
        if (name, seed) in kept:
            continue
        for other in study.rows[name].stands_on:
            if not (run_folder(out, other, seed) / "model").is_dir():
                kept.pop((other, seed), None)
    return kept


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


def _ready(study: StudyConfig, key: tuple[str, int], results: Results) -> bool:
    return all((other, key[1]) in results for other in study.rows[key[0]].stands_on)


def _run(study: StudyConfig, key: tuple[str, int], folder: Path, out: Path, results: Results) -> Run:
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
        threads=max(1, torch.get_num_threads() // study.at_once) if study.at_once else 0,
    )


def _told(study: StudyConfig, result: dict[str, Any]) -> str:
    metrics = result["tests"][study.judged_on]["metrics"]
    return f"abs_rel {metrics['abs_rel']:.4f} on {study.judged_on} after {result['seconds']:.0f} s"
