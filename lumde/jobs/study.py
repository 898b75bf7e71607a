"""What a study is: rows, seeds, tests and contrasts, and the config of each of its runs."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lumde.config import nearest, parse_part
from lumde.data import DATASETS
from lumde.engine.run_config import TrainConfig, load_config
from lumde.jobs.claims import KINDS, Claim, ClosesConfig, KeepsConfig, WithinConfig
from lumde.packaged import package_file
from lumde.registry import Named

ROOT = "{root}"
MOST_CONTRASTS = 8  # declared beforehand; more would be fishing


@dataclass(kw_only=True)
class RowConfig:
    """One way to train, under every seed."""

    config: str  # training config: a packaged name or a file beside the study
    overrides: tuple[str, ...] = ()  # key.path=value
    teacher: str = ""  # row that is this one's teacher, under the same seed; its run becomes teacher.path
    start: str = ""  # row whose weights are the start (student.init)
    title: str = ""  # as tables call it; "" = the row's name

    @property
    def stands_on(self) -> set[str]:
        """Rows that must have run under the same seed."""
        return {self.teacher, self.start} - {""}


@dataclass(kw_only=True)
class TuningConfig:
    """Settings that every row tries, the same for all; each row then runs with its best one."""

    tries: tuple[str, ...]  # key.path=value each
    test: Any  # validation set: a dataset's config; never a test of the study
    overrides: tuple[str, ...] = ()  # of every try, e.g. to leave the validation frames out of the training
    seed: int = 1000  # of the tries; none of the study's

    def __post_init__(self) -> None:
        """Refuse a tuning that chooses nothing."""
        if len(set(self.tries)) < max(2, len(self.tries)):
            raise ValueError("tries: at least two, each once")


@dataclass(kw_only=True)
class StudyConfig:
    """Everything that decides a study."""

    seeds: tuple[int, ...]
    rows: dict[str, RowConfig]
    tests: dict[str, Any]  # test sets by name: a dataset's config each
    overrides: tuple[str, ...] = ()  # of every row, before its own
    contrasts: dict[str, tuple[str, str]] = field(default_factory=dict)  # title -> row, reference
    keeps: dict[str, KeepsConfig] = field(default_factory=dict)  # title -> claim about a1
    within: dict[str, WithinConfig] = field(default_factory=dict)  # title -> claim about abs_rel
    closes: dict[str, ClosesConfig] = field(default_factory=dict)  # title -> claim about a gap in abs_rel
    teacher_beats: dict[str, str] = field(default_factory=dict)  # teacher -> row it must beat to count
    tuning: TuningConfig | None = None  # None = rows run as they are written
    main_test: str = ""  # on which contrasts are judged; "" = the first
    root: str = ""  # folder of recordings: what {root} in tests, tuning and overrides stands for
    values: dict[str, str] = field(default_factory=dict)  # likewise other {names}, e.g. which frames
    at_once: int = 1  # runs side by side, each in a process; 0 = all in this one, where peak_mb tells less

    def __post_init__(self) -> None:
        """Refuse a study that cannot be run, before anything is."""
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: at least one, each once")
        if not self.rows or not self.tests or self.at_once < 0:
            raise ValueError("rows and tests must not be empty, at_once at least 0")
        if self.tuning and self.tuning.seed in self.seeds:
            raise ValueError("tuning: its seed must not be one of the study's")
        self._check_names()
        self._check_rows()
        if (asked := len(self.contrasts) + len(self.claims)) > MOST_CONTRASTS:
            raise ValueError(f"contrasts and claims: at most {MOST_CONTRASTS} in all, found {asked}")
        titles = [title for _, title in self.claims]
        if twice := {title for title in titles if titles.count(title) > 1}:
            raise ValueError(f"claims: each title once: {', '.join(sorted(twice))}")
        if self.main_test and self.main_test not in self.tests:
            raise ValueError(f"main_test: no test {self.main_test!r}")

    def _check_names(self) -> None:
        """Every {name} means something, and every meaning is asked for."""
        tuning = (self.tuning.test, self.tuning.overrides) if self.tuning else ()
        rows = [row.overrides for row in self.rows.values()]
        texts = json.dumps([self.overrides, self.tests, rows, tuning])
        if not self.root and ROOT in texts:
            raise ValueError("root: missing; this study needs recordings, say where: root=FOLDER")
        for name in self.values:
            if name == "root" or f"{{{name}}}" not in texts:
                raise ValueError(f"values.{name}: {{{name}}} stands in no text of this study")

    def _check_rows(self) -> None:
        """Teachers and starts stand before the rows that need them; contrasts name rows."""
        known: list[str] = []
        for name, row in self.rows.items():
            require_folder_name(f"rows.{name}", name)
            for other in sorted(row.stands_on):
                if other not in known:
                    raise ValueError(f"rows.{name}: needs row {other!r} above it{nearest(other, known)}")
            known.append(name)
        if idle := set(self.teacher_beats) - {row.teacher for row in self.rows.values()}:
            raise ValueError(f"teacher_beats.{min(idle)}: is no row's teacher")
        named: dict[str, tuple[str, ...]] = {f"contrasts.{t}": pair for t, pair in self.contrasts.items()}
        named |= {f"teacher_beats.{teacher}": (teacher, bar) for teacher, bar in self.teacher_beats.items()}
        named |= {f"{kind}.{title}": claim.rows for (kind, title), claim in self.claims.items()}
        for where, rows in named.items():
            for name in rows:
                if name not in known:
                    raise ValueError(f"{where}: no row {name!r}{nearest(name, known)}")

    @property
    def claims(self) -> dict[tuple[str, str], Claim]:
        """All claims, by kind and title."""
        return {(kind, title): claim for kind in KINDS for title, claim in getattr(self, kind).items()}

    def test_configs(self) -> dict[str, Named]:
        """The data sets of its tests, by name."""
        return self.tests_at(self.root)

    def tests_at(self, root: str) -> dict[str, Named]:
        """The same, with recordings elsewhere."""
        values = filled(self.tests, {"root": root, **self.values})
        return {name: parse_part(value, DATASETS, f"tests.{name}") for name, value in values.items()}

    def tuned_on(self) -> Named | None:
        """The validation set of its tries."""
        if self.tuning is None:
            return None
        values = filled(self.tuning.test, {"root": self.root, **self.values})
        config: Named = parse_part(values, DATASETS, "tuning.test")
        return config

    @property
    def judged_on(self) -> str:
        """The test set of the contrasts."""
        return self.main_test or next(iter(self.tests))


def require_folder_name(where: str, name: str) -> None:
    """Refuse what cannot be the name of a folder everywhere."""
    if not name.replace("_", "").replace("-", "").isalnum():
        raise ValueError(f"{where}: letters, digits, - and _ only: it becomes a folder")


def config_of(study: StudyConfig, name: str, folder: Path, out: Path) -> TrainConfig:
    """Read a row's config once, so that a wrong key ends the study before its first run."""
    path = row_config(study.rows[name], folder)
    return load_config(path, list(overrides_of(study, name, study.seeds[0], out)))


def anonymous_config(study: StudyConfig, name: str, folder: Path) -> TrainConfig:
    """A row's config with names for its folders: no result tells where it was made."""
    overrides = _overrides(study, name, study.seeds[0], ROOT, lambda other: f"{{{other}}}")
    return load_config(row_config(study.rows[name], folder), overrides)


def overrides_of(study: StudyConfig, name: str, seed: int, out: Path) -> tuple[str, ...]:
    """What the study, the row and the seed change of the row's config."""
    return tuple(_overrides(study, name, seed, study.root, lambda other: str(run_folder(out, other, seed))))


def _overrides(study: StudyConfig, name: str, seed: int, root: str, place: Callable[[str], str]) -> list[str]:
    row = study.rows[name]
    others = ((row.teacher, "teacher.path"), (row.start, "student.init"))
    paths = [f"{key}={json.dumps(place(other))}" for other, key in others if other]
    names = {"root": root, **study.values}
    given = (filled(text, names) for text in (*study.overrides, *row.overrides))
    return [*given, f"loop.seed={seed}", *paths]


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """Put what names stand for where they stand, as {name}, in texts within lists and mappings too."""
    if isinstance(value, dict):
        return {key: filled(inner, names) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(filled(inner, names) for inner in value)
    if isinstance(value, str):
        for name, meant in names.items():
            value = value.replace(f"{{{name}}}", meant)
    return value


def run_folder(out: Path, row: str, seed: int) -> Path:
    """Where a row's run under a seed lies."""
    return out / "runs" / f"{row}-seed{seed}"


def row_config(row: RowConfig, folder: Path) -> Path:
    """A file beside the study, or a packaged config."""
    beside = folder / row.config
    return beside if beside.is_file() else package_file("configs", row.config, ".yaml")


def ancestors(study: StudyConfig, name: str) -> set[str]:
    """The rows that a row stands on, and those that they do."""
    direct = study.rows[name].stands_on
    return direct.union(*(ancestors(study, other) for other in direct))


def order(study: StudyConfig) -> Iterator[tuple[str, int]]:
    """Whole seeds one after the other: a study that is cut short is still paired.

    Within one, what others stand on comes first, so that none of several workers waits for it at the end.
    """
    needed = set().union(*(row.stands_on for row in study.rows.values()))
    names = sorted(study.rows, key=lambda name: name not in needed)
    yield from ((name, seed) for seed in study.seeds for name in names)
