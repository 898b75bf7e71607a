"""A study: rows (trainings) under several seeds, on frozen test sets, with the contrasts that were declared.

Every finished run leaves one small JSON file, and a study that is started again does only what has none.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lumde.config import dump, load, to_dict
from lumde.data.base import FrameDataset
from lumde.errors import ConfigError
from lumde.evaluators.accuracy import evaluate_trivial
from lumde.files import (
    claim_output,
    read_json,
    require_unused,
    write_json,
    write_text,
)
from lumde.jobs.compare_all import Opened, StudyRuns
from lumde.jobs.compare_judge import declaration, judged, still_asked
from lumde.jobs.compare_outside import outside
from lumde.jobs.compare_run import EXTRAS, completed, sometimes
from lumde.jobs.compare_store import Results, Say, require_same_tests, row_settings, tested_on
from lumde.jobs.compare_teacher import TeacherErrors, outside_teachers, teaches_nothing
from lumde.jobs.study import StudyConfig, TuningConfig, ancestors, config_of
from lumde.jobs.tuning import Errors, try_all, with_best
from lumde.lock import locked
from lumde.registry import Named
from lumde.report.study import write_study
from lumde.worlds import VERSION


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
    study = checked(path, out, overrides)
    opened = Opened()
    tests = {
        name: _with_truth(opened, f"tests.{name}", config) for name, config in study.test_configs().items()
    }
    claim_output(out, resume)
    with locked(out):
        return _compared(study, opened, tests, path.parent, out, say)


def checked(path: Path, out: Path, overrides: Sequence[str]) -> StudyConfig:
    """Read a study and the configs of its rows: a wrong key ends it before its first run."""
    study = load(path, StudyConfig, list(overrides))
    tests = list(study.test_configs().values())
    for where, config in (_ended_by(study, path.parent, out) | _tuned_by(study)).items():
        if config in tests:
            raise ConfigError(f"{where}: is a test of the study; choose by frames that judge nothing")
    require_same_tests(study, out)
    return study


def _compared(
    study: StudyConfig, opened: Opened, tests: dict[str, FrameDataset], folder: Path, out: Path, say: Say
) -> dict[str, Any]:
    (out / "results").mkdir(exist_ok=True)
    declared, text = _declared(study, out), dump(study)
    errors: Errors = {}
    if study.tuning:
        outside_teachers(study, opened, folder, out, say)  # told before hours of tries
        errors = _tuned(study, study.tuning, opened, folder, out, say)
        study = with_best(study, study.tuning, errors)
    runs = StudyRuns(study, opened, folder, out, say)
    if runs.store.left:
        _require_apart(study, opened, _ended_by(study, folder, out))
    write_text(out / "study.yaml", text)  # the one that these results are of: another was refused
    trivial = _trivial(study, opened, tests, folder, out)
    teachers = outside_teachers(study, opened, folder, out, say)
    results = runs.run()
    summary = summary_of(study, results, trivial, declared, teachers) | {"tuning": _listed(study, errors)}
    write_json(out / "study.json", summary)
    write_study(out, summary)
    return summary


def _with_truth(opened: Opened, where: str, config: Named) -> FrameDataset:
    dataset = opened(config)
    if "depth" not in dataset.provides:
        raise ConfigError(f"{where}: has no ground truth to test on")
    return dataset


def _trivial(
    study: StudyConfig, opened: Opened, tests: dict[str, FrameDataset], folder: Path, out: Path
) -> dict[str, Any]:
    """Trivial maps of what the first row learns from, of the test frames if nobody measured that."""
    file, first = out / "trivial.json", next(iter(study.rows))
    about = tested_on(study) | {"maps_of": row_settings(study, first, folder)["data"]}
    if file.exists() and (stored := read_json(file))["about"] == about:
        found: dict[str, Any] = stored["rows"]
        return found
    learned = opened(config_of(study, first, folder, out).data)
    training = learned if _measured(learned) else None
    rows = {name: evaluate_trivial(dataset, training=training) for name, dataset in tests.items()}
    write_json(file, {"about": about, "rows": rows})
    return rows


def _measured(dataset: FrameDataset) -> bool:
    """Whether any frame has depth: a recording may have some that a range leaves out."""
    return "depth" in dataset.provides and any(
        dataset.read_fields(key, ("depth",)).depth is not None for key in dataset.targets
    )


def _declared(study: StudyConfig, out: Path) -> dict[str, Any]:
    """What was asked before the first result, which may have chosen what is asked afterwards."""
    file = out / "declared.json"
    if not any((out / "results").iterdir()):
        write_json(file, declaration(study))
    # Where results were copied alone, nobody knows what was asked beforehand.
    found: dict[str, Any] = read_json(file) if file.exists() else {}
    return still_asked(study, found) if found.get("judged_on") == study.judged_on else {}


def _tuned(
    study: StudyConfig, tuning: TuningConfig, opened: Opened, folder: Path, out: Path, say: Say
) -> Errors:
    """Errors of every row's tries, from an earlier start where nothing has changed since."""
    file, about = out / "tuning.json", json.loads(json.dumps(to_dict(tuning)))
    about |= {"generator": VERSION} | ({"values": study.values} if study.values else {})
    rows = {name: row_settings(study, name, folder) for name in study.rows}
    taken = {name: outside(study, name, folder, out) for name in study.rows}
    about |= {"outside": taken} if any(taken.values()) else {}
    known = _known_tries(study, read_json(file), about, rows) if file.exists() else {}
    if len(known) == len(rows):
        return known
    _require_apart(study, opened, _tuned_by(study))
    (out / "tuning" / "results").mkdir(parents=True, exist_ok=True)

    def run_all(tries: StudyConfig) -> Results:
        return StudyRuns(tries, opened, folder, out / "tuning", say).run(forgive=True)

    errors = try_all(study, tuning, run_all, known)
    write_json(file, {"tuning": about, "rows": rows, "errors": errors})
    return errors


def _tuned_by(study: StudyConfig) -> dict[str, Named]:
    """What chooses rates."""
    config = study.tuned_on()
    return {} if config is None else {"tuning.test": config}


def _ended_by(study: StudyConfig, folder: Path, out: Path) -> dict[str, Named]:
    """What ends trainings that go on until they gain nothing more."""
    found = {}
    for name in study.rows:
        config = config_of(study, name, folder, out)
        if config.loop.plateau and config.validation:
            found[f"rows.{name}: validation.data"] = config.validation.data
    return found


def _require_apart(study: StudyConfig, opened: Opened, choosing: Mapping[str, Named]) -> None:
    """Refuse to choose by frames that judge, whatever their two lists are called."""
    for where, config in choosing.items():
        validation = _with_truth(opened, where, config)
        for name, test in study.test_configs().items():
            same_place = (test.name, _root(test)) == (config.name, _root(config))
            if same_place and (shared := len(_shown(opened(test)) & _shown(validation))):
                raise ConfigError(f"{where}: shares {shared} frames with tests.{name}; choose others")


def _root(config: Named) -> Path:
    return Path(getattr(config, "root", "")).resolve()


def _shown(dataset: FrameDataset) -> set[tuple[str, int]]:
    return {(key.sequence, key.position) for key in dataset.targets}


def _known_tries(
    study: StudyConfig, earlier: dict[str, Any], about: dict[str, Any], rows: dict[str, Any]
) -> Errors:
    """Errors of the rows that are as they were when they tried the same, and stand on rows that are."""
    known: Errors = {}
    for name, row in study.rows.items():  # what stands on others comes after them
        stored = earlier["rows"].get(name)
        same = earlier["tuning"] == about and stored is not None and completed(stored) == rows[name]
        if same and row.stands_on <= set(known):
            known[name] = earlier["errors"][name]
    return known


def _listed(study: StudyConfig, errors: Errors) -> list[dict[str, Any]]:
    """What every row tried, as tables have it."""
    if not study.tuning:
        return []
    return [
        {"row": row.title or name, **dict(zip(study.tuning.tries, errors[name], strict=True))}
        for name, row in study.rows.items()
    ]


def summary_of(
    study: StudyConfig,
    results: Results,
    trivial: dict[str, Any],
    declared: dict[str, Any],
    teachers: Mapping[str, TeacherErrors],
) -> dict[str, Any]:
    """Means over seeds of every row and test, and the declared contrasts."""
    rows = {}
    for name, row in study.rows.items():
        runs = [results[name, seed] for seed in study.seeds]
        tests = {test: _mean([run["tests"][test] for run in runs]) for test in study.tests}
        facts = ("params", "gmacs", "ms", "steps", "seconds", "total_seconds", "peak_mb")
        cost: dict[str, Any] = {fact: float(np.mean([run[fact] for run in runs])) for fact in facts}
        cost |= {fact: round(cost[fact]) for fact in ("params", "steps")}
        cost |= {fact: runs[0].get(fact) for fact in EXTRAS}  # None in results of before they were told
        rows[name] = {"title": row.title or name, **cost, "tests": tests}
    return {
        "seeds": list(study.seeds),
        "judged_on": study.judged_on,
        "rows": rows,
        "trivial": trivial,
        **judged(study, results, declared, poorly_taught(study, rows, trivial, teachers)),
        "outside_teachers": dict(teachers),
        "overrides": list(study.overrides),
        "tests": study.tests,
    }


def poorly_taught(
    study: StudyConfig,
    rows: dict[str, Any],
    trivial: dict[str, Any],
    from_outside: Mapping[str, TeacherErrors],
) -> set[str]:
    """Rows whose teacher is no better than a map that ignores the picture, or than the row it must beat."""
    errors = {name: row["tests"][study.judged_on]["abs_rel"] for name, row in rows.items()}
    least = min(metrics["abs_rel"] for metrics in trivial[study.judged_on].values())
    teachers = {row.teacher for row in study.rows.values()} - {""}
    bars = {name: min(least, errors.get(study.teacher_beats.get(name, ""), least)) for name in teachers}
    poor = {name for name, bar in bars.items() if errors[name] >= bar}
    # What a row misled from outside teaches is judged by its own errors, as every row's.
    misled = {name for name, errors in from_outside.items() if teaches_nothing(errors)}
    return {name for name in study.rows if name in misled or ancestors(study, name) & poor}


def _mean(tests: list[dict[str, Any]]) -> dict[str, float]:
    """Means over seeds, and the spread of abs_rel between them."""
    values = {name: float(np.mean([t["metrics"][name] for t in tests])) for name in tests[0]["metrics"]}
    values["abs_rel_std"] = float(np.std([t["metrics"]["abs_rel"] for t in tests], ddof=len(tests) > 1))
    return values | {name: value for name, value in sometimes(tests).items() if value is not None}
