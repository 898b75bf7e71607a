"""All runs of a study, teachers first; each leaves one small JSON file, and only what has none is run."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any

import torch

from lumde.config import dump, to_dict
from lumde.data import DATASETS
from lumde.data.base import FrameDataset
from lumde.errors import FAULTS, ConfigError, LumdeError, NumericsError, ResourceError, understood
from lumde.files import read_json, write_json
from lumde.jobs.compare_run import Run, completed, run_one, settings
from lumde.jobs.study import (
    ROOT,
    StudyConfig,
    ancestors,
    anonymous_config,
    config_of,
    order,
    overrides_of,
    row_config,
    run_folder,
)
from lumde.registry import Named, build
from lumde.worlds import VERSION

Say = Callable[[str], None]
Results = dict[tuple[str, int], dict[str, Any]]  # by row and seed


class Opened:
    """Data sets that runs share, those of tries and of the study itself: worlds are rendered once."""

    def __init__(self) -> None:
        """None yet."""
        self._found: dict[str, FrameDataset] = {}

    def __call__(self, config: Named) -> FrameDataset:
        """The data set of a config, opened when it is first asked for."""
        text = dump(config)
        if text not in self._found:
            self._found[text] = build(DATASETS, config)
        return self._found[text]


class StudyRuns:
    """Trains and tests every row under every seed, teachers first."""

    def __init__(self, study: StudyConfig, opened: Opened, folder: Path, out: Path, say: Say) -> None:
        """Find the results of earlier starts.

        Args:
            study: what to run.
            opened: data sets that other runs have used.
            folder: of the study's file, where configs may lie beside it.
            out: gets runs/ROW-seedN and results/ROW-seedN.json.
            say: hears what is going on.

        Raises:
            ConfigError: a row has changed since it ran.
        """
        self.study, self.opened, self.folder, self.out, self.say = study, opened, folder, out, say
        self.tests = {name: opened(config) for name, config in study.test_configs().items()}
        self.settings = {name: row_settings(study, name, folder) for name in study.rows}
        self.tested = tested_on(study)
        found = self._found()
        self.results = _without_lost(study, found, out)
        self.lost = {key: found[key] for key in set(found) - set(self.results)}
        self.left = [key for key in order(study) if key not in self.results]

    def run(self, forgive: bool = False) -> Results:
        """Run what has no result yet; answers all results.

        Args:
            forgive: a training that diverges has `failed` as its result, instead of ending the study.
        """
        self.say(f"{len(self.results)} of {len(self.results) + len(self.left)} runs have results")
        if self.study.at_once:
            self._side_by_side(forgive)
        while self.left:
            key = next(key for key in self.left if self._ready(key))
            self.left.remove(key)
            self._finished(key, _outcome(partial(run_one, self._begun(key)), forgive))
        return self.results

    def _side_by_side(self, forgive: bool) -> None:
        running: dict[Any, tuple[tuple[str, int], _Child]] = {}
        try:
            while self.left or running:
                ready = [key for key in self.left if self._ready(key)]
                for key in ready[: self.study.at_once - len(running)]:
                    self.left.remove(key)
                    child = _Child(self._begun(key))
                    running[child.pipe] = key, child
                for pipe in wait(list(running)):
                    key, child = running.pop(pipe)
                    self._finished(key, _outcome(child.result, forgive))
        finally:
            for _, child in running.values():
                child.stop()

    def _ready(self, key: tuple[str, int]) -> bool:
        return all((other, key[1]) in self.results for other in self.study.rows[key[0]].stands_on)

    def _finished(self, key: tuple[str, int], result: dict[str, Any]) -> None:
        name, seed = key
        result |= {"config": self.settings[name], "tested": self.tested}
        if key in self.lost and _plain(self.lost.pop(key)["tests"]) != _plain(result.get("tests")):
            self._run_again(*key)
        self.results[key] = result
        write_json(self._file(name, seed), result)
        if "failed" in result:
            self.say(f"{name}, seed {seed}: {result['failed']}")
            return
        metrics = result["tests"][self.study.judged_on]["metrics"]
        self.say(
            f"{name}, seed {seed}: abs_rel {metrics['abs_rel']:.4f} on {self.study.judged_on}"
            f" after {result['seconds']:.0f} s"
        )

    def _run_again(self, name: str, seed: int) -> None:
        """What stood on a run that was lost, and is another one now, is of no use beside it."""
        for other, row in self.study.rows.items():
            if name in row.stands_on and (other, seed) in self.results:
                self.say(f"{other}, seed {seed}: runs again, {name} is another one than it stood on")
                del self.results[other, seed]
                self._file(other, seed).unlink()
                shutil.rmtree(run_folder(self.out, other, seed), ignore_errors=True)
                self.left.append((other, seed))
                self._run_again(other, seed)

    def _file(self, name: str, seed: int) -> Path:
        return self.out / "results" / f"{name}-seed{seed}.json"

    def _found(self) -> Results:
        """Results so far; ConfigError for one of another config or other tests."""
        found = {}
        for name, seed in order(self.study):
            file = self._file(name, seed)
            if not file.exists():
                continue
            result = found[name, seed] = read_json(file)
            if completed(result["config"]) != self.settings[name]:
                what = f"rows.{name}: has changed since it ran"
            elif result.get("tested") != self.tested:
                what = f"tests: rows.{name} ran on others, or with another generator of worlds"
            else:
                continue
            raise ConfigError(f"{what}; give it a new name, or remove {self.out}/*/{name}-seed*")
        return found

    def _begun(self, key: tuple[str, int]) -> Run:
        """What one process is to do."""
        name, seed = key
        self.say(f"{name}, seed {seed} ...")
        study, row = self.study, self.study.rows[name]
        at_once = max(1, study.at_once)
        return Run(
            config=row_config(row, self.folder),
            overrides=overrides_of(study, name, seed, self.out),
            out=run_folder(self.out, name, seed),
            tests=self.tests,
            data=self.opened(config_of(study, name, self.folder, self.out).data),
            teacher=run_folder(self.out, row.teacher, seed) if row.teacher else None,
            seconds_before=float(sum(self.results[o, seed]["seconds"] for o in ancestors(study, name))),
            threads=max(1, torch.get_num_threads() // at_once),
        )


def _outcome(result: Callable[[], dict[str, Any]], forgive: bool) -> dict[str, Any]:
    try:
        return result()
    except NumericsError as error:
        if not forgive:
            raise
        return {"failed": str(error)}


class _Child:
    """A run in a process of its own: memory is measured per process, and nothing leaks into the next run."""

    def __init__(self, run: Run) -> None:
        context = get_context("spawn")  # a fork of a process that runs threads may hang
        self.pipe, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(run, theirs))
        self._process.start()
        theirs.close()

    def result(self) -> dict[str, Any]:
        """Wait for the run's result; raises what the run raised."""
        try:
            answer: dict[str, Any] | LumdeError = self.pipe.recv()
        except EOFError as error:
            self._process.join()
            if (self._process.exitcode or 0) > 0:
                raise RuntimeError("a run of the study failed; its own message stands above") from error
            raise ResourceError(
                "a run of the study was ended from outside, e.g. for lack of memory; lower at_once, --resume"
            ) from error
        self._process.join()
        if isinstance(answer, LumdeError):
            raise answer
        return answer

    def stop(self) -> None:
        """End the run: it saves its state first."""
        self._process.terminate()
        self._process.join()


def _serve(run: Run, pipe: Connection) -> None:
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # Ctrl-C is the study's: it then ends its runs, which save first
    Thread(target=_end_with, args=(parent_process(),), daemon=True).start()
    try:
        pipe.send(run_one(run))
    except FAULTS as error:
        if (known := understood(error)) is None:
            raise
        pipe.send(known)


def _end_with(study: BaseProcess | None) -> None:
    """Save and end when the study is gone, killed say: its next start shall not meet this run at work."""
    if study is not None:
        study.join()
        os.kill(os.getpid(), signal.SIGTERM)


def row_settings(study: StudyConfig, name: str, folder: Path) -> dict[str, Any]:
    """What all seeds of a row share."""
    return settings(anonymous_config(study, name, folder))


def tested_on(study: StudyConfig) -> dict[str, Any]:
    """What results are measured on: the tests, wherever recordings lie, and the state of the worlds."""
    tests = {name: to_dict(config) for name, config in study.tests_at(ROOT).items()}
    return {"tests": _plain(tests), "generator": VERSION}


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    return json.loads(json.dumps(value))


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
