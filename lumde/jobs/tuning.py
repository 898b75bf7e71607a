"""The tries of a study: every row tries the same settings on a validation set, and runs with its best one."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lumde.errors import NumericsError
from lumde.jobs.study import RowConfig, StudyConfig, TuningConfig, filled

RunAll = Callable[[StudyConfig], Mapping[tuple[str, int], Mapping[str, Any]]]
Errors = dict[str, list[float | None]]  # row -> abs_rel on the validation set by try; None = it diverged


def try_all(study: StudyConfig, tuning: TuningConfig, run_all: RunAll, known: Errors) -> Errors:
    """Try all settings on every row, teachers first: who stands on another stands on its best try.

    Args:
        study: whose rows are tried.
        tuning: what, and on what, it is tried.
        run_all: answers the results of a study of tries, by row and seed.
        known: errors of rows that tried them before; so have the rows that they stand on.

    Returns:
        The errors of every row's tries.

    Raises:
        NumericsError: a row that diverged in all of them.
    """
    errors: Errors = dict(known)
    tries: dict[str, RowConfig] = {}

    def add(name: str, text: str) -> str:
        """A try, after the best ones of the rows that it stands on."""
        row = study.rows[name]
        teacher, start = (
            add(other, tuning.tries[_best(errors[other])]) if other else ""
            for other in (row.teacher, row.start)
        )
        title = _name(tuning, name, text)
        tries[title] = replace(row, overrides=(*row.overrides, text), teacher=teacher, start=start)
        return title

    while len(errors) < len(study.rows):
        ready = [
            name for name, row in study.rows.items() if name not in errors and row.stands_on <= set(errors)
        ]
        titles = {name: [add(name, text) for text in tuning.tries] for name in ready}
        found = run_all(_study_of(tries, study, tuning))
        for name in ready:
            runs = [found[title, tuning.seed] for title in titles[name]]
            errors[name] = [None if "failed" in run else _error(run) for run in runs]
            if not any(errors[name]):
                raise NumericsError(f"rows.{name}: every try diverged")
    return errors


def with_best(study: StudyConfig, tuning: TuningConfig, errors: Errors) -> StudyConfig:
    """The study whose rows run with their best try."""
    rows = {
        name: replace(row, overrides=(*row.overrides, tuning.tries[_best(errors[name])]))
        for name, row in study.rows.items()
    }
    return replace(study, rows=rows)


def _error(run: Mapping[str, Any]) -> float:
    return float(run["tests"]["validation"]["metrics"]["abs_rel"])


def _best(errors: list[float | None]) -> int:
    return errors.index(min(error for error in errors if error is not None))


def _name(tuning: TuningConfig, row: str, text: str) -> str:
    """Its number makes it the only one: signs, say, do not show in a file's name."""
    return f"{row}-try{tuning.tries.index(text)}-{re.sub('[^A-Za-z0-9]+', '_', text)}"


def _study_of(tries: dict[str, RowConfig], study: StudyConfig, tuning: TuningConfig) -> StudyConfig:
    """The study of tries: one seed, tested on the validation set alone; names stand for what they mean.

    No name is left in it: the study's tests, which are not asked, may have been the only ones to use it.
    """
    meant = study.values
    return replace(
        study,
        rows={name: replace(row, overrides=filled(row.overrides, meant)) for name, row in tries.items()},
        seeds=(tuning.seed,),
        tests={"validation": filled(tuning.test, meant)},
        overrides=filled((*study.overrides, *tuning.overrides), meant),
        values={},
        contrasts={},
        keeps={},
        within={},
        closes={},
        teacher_beats={},
        main_test="",
        tuning=None,
    )
