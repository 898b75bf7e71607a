"""A study in parts: the same rows and questions on several splits of the recordings, judged over all of them.

Leave-one-block-out is one: each part leaves out another block of a clip, and tests on it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lumde.config import load, read_values
from lumde.errors import ConfigError
from lumde.files import claim_output, read_json, write_json
from lumde.jobs.compare import checked, compare, summary_of
from lumde.jobs.compare_judge import still_asked
from lumde.jobs.compare_run import EXTRAS, sometimes
from lumde.jobs.compare_store import Say, result_file
from lumde.jobs.study import StudyConfig, filled, require_folder_name
from lumde.lock import locked
from lumde.report.study import write_study

ALL = "all parts"
COSTS = ("seconds", "total_seconds", "peak_mb", "ms", "params", "gmacs", "steps")  # means over parts


@dataclass(kw_only=True)
class PartsConfig:
    """Studies that ask the same of the same rows."""

    parts: dict[str, str]  # name -> study's file, beside this one
    overrides: tuple[str, ...] = ()  # of every part, key.path=value

    def __post_init__(self) -> None:
        """Refuse what joins nothing."""
        if len(self.parts) < 2:
            raise ValueError("parts: at least two")
        for name, file in self.parts.items():
            if Path(file).name != file:
                raise ValueError(f"parts.{name}: must be a file beside this one, found {file!r}")
            require_folder_name(f"parts.{name}", name)


def run_study(path: Path, out: Path, resume: bool, say: Say, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """`compare`, or one after the other where the file lists parts, and then all of them as one.

    A part's test stands for one world: means over it of each row and seed, paired as worlds are.

    Args:
        path: a study, or parts.
        out: new folder, or that of the study so far; each part gets a folder in it.
        resume: go on in `out`.
        say: hears what is going on.
        overrides: key.path=value, of the study or of every part.

    Returns:
        What `out`/study.json holds.

    Raises:
        ConfigError: parts that ask different things.
        LumdeError: the child that fits; finished runs keep their results.
    """
    if "parts" not in read_values(path):
        return compare(path, out, resume, say, overrides)
    joint = load(path, PartsConfig)
    overrides = (*joint.overrides, *overrides)
    studies = {name: checked(path.parent / file, out / name, overrides) for name, file in joint.parts.items()}
    _require_alike(studies)
    claim_output(out, resume)
    with locked(out):
        known = _declared(studies, out)
        summaries = {}
        for name, file in joint.parts.items():
            say(f"part {name}")
            part = out / name
            summaries[name] = compare(path.parent / file, part, resume and part.is_dir(), say, overrides)
        summary = _joined(studies, summaries, out, known)
        write_json(out / "study.json", summary)
        write_study(out, summary)
        return summary


def _require_alike(studies: Mapping[str, StudyConfig]) -> None:
    first, *others = studies
    tests = [json.dumps(test, sort_keys=True) for test in _tests(studies).values()]
    if len(set(tests)) < len(tests):
        raise ConfigError("parts: two of them test on the same, and would count twice")
    for name in others:
        for what in ("rows", "overrides", "seeds", "contrasts", "claims", "teacher_beats"):
            if getattr(studies[first], what) != getattr(studies[name], what):
                raise ConfigError(
                    f"parts.{name}: its {what} are not those of {first}; parts may differ in tests, tuning "
                    "and values"
                )


def _tests(studies: Mapping[str, StudyConfig]) -> dict[str, Any]:
    """What each part is judged on."""
    return {name: filled(study.tests[study.judged_on], study.values) for name, study in studies.items()}


def _declared(studies: Mapping[str, StudyConfig], out: Path) -> bool:
    """Whether these parts were declared before the first result: none may be dropped after it."""
    file, now = out / "declared_parts.json", json.loads(json.dumps(_tests(studies)))
    if not any(out.glob("*/results/*.json")):
        write_json(file, now)
    return file.exists() and bool(read_json(file) == now)


def _joined(
    studies: Mapping[str, StudyConfig], summaries: Mapping[str, dict[str, Any]], out: Path, known: bool
) -> dict[str, Any]:
    """The summary of a study whose worlds are the parts."""
    first = next(iter(studies.values()))
    tests = _tests(studies)
    whole = replace(first, tests={ALL: tests, **tests}, main_test=ALL, values={}, tuning=None)
    results = {
        (row, seed): _mean_result(
            {
                name: (read_json(result_file(out / name, row, seed)), study.judged_on)
                for name, study in studies.items()
            }
        )
        for row in first.rows
        for seed in first.seeds
    }
    maps = {name: summary["trivial"][summary["judged_on"]] for name, summary in summaries.items()}
    trivial = {ALL: {kind: _means(one[kind] for one in maps.values()) for kind in maps[next(iter(maps))]}}
    teachers = {
        row: _means(summary["outside_teachers"][row] for summary in summaries.values())
        for row in first.rows
        if all(row in summary["outside_teachers"] for summary in summaries.values())
    }
    files = {name: out / name / "declared.json" for name in studies}
    asked = [
        {**still_asked(studies[name], read_json(file)), "judged_on": ALL} if file.exists() else {}
        for name, file in files.items()
    ]
    # Asked before each part's first result, or nobody knows.
    declared = asked[0] if known and all(one == asked[0] for one in asked) else {}
    return summary_of(whole, results, trivial | maps, declared, teachers) | {"tuning": []}


def _mean_result(parts: Mapping[str, tuple[dict[str, Any], str]]) -> dict[str, Any]:
    """A row's results under one seed as one: each part's test by itself, and all of them, a world each."""
    tests = {name: result["tests"][judged_on] for name, (result, judged_on) in parts.items()}
    everything = {
        "metrics": _means(test["metrics"] for test in tests.values()),
        "worlds": {name: _means(test["worlds"].values()) for name, test in tests.items()},
        "pieces": False,
        **sometimes(list(tests.values())),
    }
    costs = _means({cost: result[cost] for cost in COSTS} for result, _ in parts.values())
    first, *_ = (result for result, _ in parts.values())
    return {**costs, **{fact: first.get(fact) for fact in EXTRAS}, "tests": {ALL: everything, **tests}}


def _means(values: Iterable[Mapping[str, float]]) -> dict[str, float]:
    listed = list(values)
    return {name: float(np.mean([one[name] for one in listed])) for name in listed[0]}
