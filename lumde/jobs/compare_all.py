"""All runs of a study, teachers first; each leaves one small JSON file, and only what has none is run."""

import os
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

from lumde.config import dump
from lumde.data import DATASETS
from lumde.data.base import FrameDataset
from lumde.engine.signals import StopRequest
from lumde.errors import FAULTS, LumdeError, NumericsError, ResourceError, understood
from lumde.jobs.compare_run import Run, run_one
from lumde.jobs.compare_store import Key, Results, Say, Store
from lumde.jobs.study import (
    StudyConfig,
    ancestors,
    config_of,
    overrides_of,
    row_config,
    run_folder,
)
from lumde.registry import Named, build


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
        self.store = Store(study, folder, out, say)

    def run(self, forgive: bool = False) -> Results:
        """Run what has no result yet; answers all results.

        Args:
            forgive: a training that diverges has `failed` as its result, instead of ending the study.
        """
        store = self.store
        self.say(f"{len(store.results)} of {len(store.results) + len(store.left)} runs have results")
        if self.study.at_once:
            self._side_by_side(forgive)
        else:
            while ready := store.ready:
                self._finished(ready[0], _outcome(partial(run_one, self._begun(ready[0])), forgive))
        return store.results

    def _side_by_side(self, forgive: bool) -> None:
        running: dict[Any, tuple[Key, _Child]] = {}
        try:
            while True:
                begun = {key for key, _ in running.values()}
                ready = [key for key in self.store.ready if key not in begun]
                for key in ready[: self.study.at_once - len(running)]:
                    child = _Child(self._begun(key))
                    running[child.pipe] = key, child
                if not running:
                    return
                for pipe in wait(list(running)):
                    key, child = running.pop(pipe)
                    self._finished(key, _outcome(child.result, forgive))
        finally:
            for _, child in running.values():
                child.stop()

    def _finished(self, key: Key, result: dict[str, Any]) -> None:
        name, seed = key
        self.store.keep(key, result)
        if "failed" in result:
            self.say(f"{name}, seed {seed}: {result['failed']}")
            return
        for note in result.get("notes", ()):
            self.say(f"{name}, seed {seed}: note: {note}")
        metrics = result["tests"][self.study.judged_on]["metrics"]
        self.say(
            f"{name}, seed {seed}: abs_rel {metrics['abs_rel']:.4f} on {self.study.judged_on}"
            f" after {result['seconds']:.0f} s"
        )

    def _begun(self, key: Key) -> Run:
        """What one process is to do."""
        name, seed = key
        self.say(f"{name}, seed {seed} ...")
        self.store.begin(key)
        study, row = self.study, self.study.rows[name]
        at_once = max(1, study.at_once)
        return Run(
            config=row_config(row, self.folder),
            overrides=overrides_of(study, name, seed, self.out),
            out=run_folder(self.out, name, seed),
            tests=self.tests,
            data=self.opened(config_of(study, name, self.folder, self.out).data),
            teacher=run_folder(self.out, row.teacher, seed) if row.teacher else None,
            seconds_before=float(sum(self.store.results[o, seed]["seconds"] for o in ancestors(study, name))),
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
        with StopRequest() as request:  # a child that is cut off from its orders complains at length
            self._process.start()
        theirs.close()
        if request.received:
            self.stop()
            request.raise_if_received("the study is stopped; --resume goes on")

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
