"""The results of a study on disk: which are there, what they stood on, and which no longer count."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lumde.config import to_dict
from lumde.errors import ConfigError
from lumde.files import read_json, write_json
from lumde.jobs.compare_outside import outside
from lumde.jobs.compare_run import completed, settings
from lumde.jobs.study import ROOT, StudyConfig, ancestors, anonymous_config, order, run_folder
from lumde.worlds import VERSION

LATER = ("unscaled", "affine")  # facts of a test that results of earlier versions lack
Say = Callable[[str], None]
Key = tuple[str, int]  # row and seed
Results = dict[Key, dict[str, Any]]


class Store:
    """Results that fit a study and each other; a student's names the very teacher that it stood on."""

    def __init__(self, study: StudyConfig, folder: Path, out: Path, say: Say) -> None:
        """Read what earlier starts left in `out`/results; `folder` is that of the study's file.

        Raises:
            ConfigError: a row, or what it takes from outside, has changed since it ran; or it was tested on
                something else.
        """
        self.study, self.folder, self.out, self.say = study, folder, out, say
        self.settings = {name: row_settings(study, name, folder) for name in study.rows}
        self.outside = {name: outside(study, name, folder, out) for name in study.rows}
        self.tested = tested_on(study)
        require_same_tests(study, out)
        self.results = self._read()
        for key in _lost(study, self.results, out):
            self._forget(key, "its run is gone and open rows need it")
        self._forget_stale()

    @property
    def left(self) -> list[Key]:
        """Rows and seeds without a result, teachers first."""
        return [key for key in order(self.study) if key not in self.results]

    @property
    def ready(self) -> list[Key]:
        """Those of `left` that stand on nothing which is left itself."""
        return [
            (name, seed)
            for name, seed in self.left
            if all((other, seed) in self.results for other in ancestors(self.study, name))
        ]

    def begin(self, key: Key) -> None:
        """Before a run begins: what began with other weights, worlds or under another teacher does not go on.

        Raises:
            ConfigError: the weights or maps that it takes from outside changed while the study ran.
        """
        name, seed = key
        if outside(self.study, name, self.folder, self.out) != self.outside[name]:
            raise ConfigError(
                f"rows.{name}: the weights or maps that it takes ({', '.join(self.outside[name])}) changed "
                "while the study ran; bring them back, or give the row a new name"
            )
        run, stamp = run_folder(self.out, name, seed), self.out / "begun" / f"{name}-seed{seed}.json"
        about = {"generator": VERSION, "outside": self.outside[name]}
        if not stamp.exists() or read_json(stamp) != about:
            shutil.rmtree(run, ignore_errors=True)
        stamp.parent.mkdir(exist_ok=True)
        write_json(stamp, about)
        for other in self.study.rows:
            if name in ancestors(self.study, other) and (other, seed) not in self.results:
                shutil.rmtree(run_folder(self.out, other, seed), ignore_errors=True)

    def keep(self, key: Key, result: dict[str, Any]) -> None:
        """Store a result; those that stood on another run of that name are forgotten, and left again."""
        name, seed = key
        bases = self.study.rows[name].stands_on
        result |= {
            "config": self.settings[name],
            "outside": self.outside[name],
            "tested": self.tested,
            "stood_on": {base: fingerprint(self.results[base, seed]) for base in sorted(bases)},
        }
        self.results[key] = result
        write_json(self._file(key), result)
        self._forget_stale()

    def _read(self) -> Results:
        found: Results = {}
        for key in order(self.study):
            if not self._file(key).exists():
                continue
            result = found[key] = read_json(self._file(key))
            if completed(result["config"]) != self.settings[key[0]]:
                what = f"rows.{key[0]}: has changed since it ran"
            elif result.get("outside", {}) != self.outside[key[0]]:
                taken = ", ".join(self.outside[key[0]])
                what = f"rows.{key[0]}: ran with other weights or maps than are there now ({taken})"
            else:
                continue
            raise ConfigError(f"{what}; give it a new name, or remove {self.out}/*/{key[0]}-seed*")
        return found

    def _forget_stale(self) -> None:
        for key in [key for key in self.results if self._is_stale(key)]:
            # The run first: whoever is killed in between finds a result, not a run, that is stale.
            shutil.rmtree(run_folder(self.out, *key), ignore_errors=True)
            self._forget(key, "it stood on another run than the one that is there now")

    def _is_stale(self, key: Key) -> bool:
        name, seed = key
        stood_on = self.results[key].get("stood_on", {})
        return any(
            stood_on.get(base) != fingerprint(self.results[base, seed])
            for base in self.study.rows[name].stands_on
            if (base, seed) in self.results
        )

    def _forget(self, key: Key, why: str) -> None:
        self.say(f"{key[0]}, seed {key[1]}: runs again, {why}")
        del self.results[key]
        self._file(key).unlink()

    def _file(self, key: Key) -> Path:
        return result_file(self.out, *key)


def result_file(out: Path, row: str, seed: int) -> Path:
    """Where the result of a row's run under a seed lies."""
    return out / "results" / f"{row}-seed{seed}.json"


def require_same_tests(study: StudyConfig, out: Path) -> None:
    """Refuse results of other tests or worlds, which only a look at them tells: before hours of tries.

    Raises:
        ConfigError: there are such results.
    """
    tested = tested_on(study)
    for row, seed in order(study):
        file = result_file(out, row, seed)
        if file.exists() and read_json(file).get("tested") != tested:
            raise ConfigError(
                f"tests: rows.{row} ran on others, or with another generator of worlds; begin in a new "
                f"folder, or remove {out}/*/{row}-seed*"
            )


def fingerprint(result: Mapping[str, Any]) -> str:
    """Tells one run from another by what its network answers on the tests."""
    tests = result.get("tests")
    if tests is not None:  # what was not measured from the beginning must not tell old results from new ones
        tests = {name: {k: v for k, v in test.items() if k not in LATER} for name, test in tests.items()}
    return hashlib.sha256(json.dumps(tests, sort_keys=True).encode()).hexdigest()[:16]


def row_settings(study: StudyConfig, name: str, folder: Path) -> dict[str, Any]:
    """What all seeds of a row share."""
    return settings(anonymous_config(study, name, folder))


def tested_on(study: StudyConfig) -> dict[str, Any]:
    """What results are measured on: the tests, wherever recordings lie, and the state of the worlds."""
    tests = {name: to_dict(config) for name, config in study.tests_at(ROOT).items()}
    about: dict[str, Any] = json.loads(json.dumps({"tests": tests, "generator": VERSION}))
    return about


def _lost(study: StudyConfig, found: Results, out: Path) -> list[Key]:
    """Results whose runs are gone (results were copied alone) though open rows stand on them."""
    lost: list[Key] = []
    for name, seed in reversed(list(order(study))):  # what stands on others comes after them
        if (name, seed) in found and (name, seed) not in lost:
            continue
        for base in study.rows[name].stands_on:
            gone = not (run_folder(out, base, seed) / "model").is_dir()
            if gone and (base, seed) in found and (base, seed) not in lost:
                lost.append((base, seed))
    return lost
