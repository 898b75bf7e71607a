"""A teacher from outside of a study is held against maps that ignore the picture."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lumde.config import load
from lumde.data import DATASETS
from lumde.engine.run_config import TrainConfig, load_config
from lumde.jobs import compare_teacher
from lumde.jobs.compare import compare, poorly_taught
from lumde.jobs.compare_all import Opened
from lumde.jobs.compare_teacher import outside_teacher, outside_teachers
from lumde.jobs.study import StudyConfig
from lumde.registry import build


def taught(base: Path, maps: Path, **options) -> TrainConfig:
    rest = "".join(f", {key}: {value}" for key, value in options.items())
    return load_config(
        base, ["method={name: response}", f"teacher={{name: maps, path: {maps}, answers: depth{rest}}}"]
    )


@pytest.fixture
def dataset(base):
    return build(DATASETS, load_config(base, []).data)


@pytest.fixture
def write(dataset, tmp_path):
    """Stores what a function makes of each frame's depth as a folder of maps."""

    def stored(name: str, of) -> Path:
        for key in dataset.targets:
            path = tmp_path / name / key.sequence / f"{key.name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, of(dataset.read(key).depth).astype(np.float32))
        return tmp_path / name

    return stored


def noise(depth):
    return np.random.default_rng(depth.size).uniform(1, 20, depth.shape)


def test_truth_beats_trivial_maps_and_noise_does_not(base, dataset, write):
    exact = outside_teacher(taught(base, write("exact", lambda depth: 3 * depth)), dataset)
    assert exact["teacher"] < 0.01 < exact["trivial"]
    bad = outside_teacher(taught(base, write("noise", noise)), dataset)
    assert bad["teacher"] > bad["trivial"] == exact["trivial"]


def test_a_teacher_is_held_to_what_it_says(base, dataset, write):
    def half(depth):
        return np.where(np.arange(depth.shape[1]) < depth.shape[1] // 2, depth, 0)

    found = outside_teacher(taught(base, write("half", half)), dataset)
    assert found["teacher"] < 0.01 < found["trivial"]
    assert outside_teacher(taught(base, write("nothing", np.zeros_like)), dataset) is None


def test_an_unknown_shift_is_fitted(base, dataset, write):
    maps = write("shifted", lambda depth: depth / (1 + 0.3 * depth))
    plain, fitted = (outside_teacher(taught(base, maps, affine=a), dataset) for a in ("false", "true"))
    assert fitted["teacher"] < 0.01 < plain["teacher"]


def test_nothing_is_said_where_nothing_is_imitated_or_measured(base, dataset, write):
    assert outside_teacher(load_config(base, []), dataset) is None
    config = taught(base, write("exact", lambda depth: depth))
    blind = build(DATASETS, load_config(base, []).data)
    blind.provides = ("sources",)
    assert outside_teacher(config, blind) is None
    blind.provides = dataset.provides
    blind.read = lambda key: replace(dataset.read(key), depth=None)
    assert outside_teacher(config, blind) is None


def test_nothing_is_said_of_a_teacher_whose_terms_are_all_off(base, dataset, write):
    config = taught(base, write("noise", noise))
    weights = "pair_weight: 0, holistic_weight: 0, video: {pose: {name: pose_resnet}}"

    def found(pixel_weight):
        method = load_config(base, [f"method={{name: adversarial, pixel_weight: {pixel_weight}, {weights}}}"])
        return outside_teacher(replace(config, method=method.method), dataset)

    assert found(0.0) is None
    assert found(0.05)["teacher"] > found(0.05)["trivial"]


def write_study(path: Path, maps: Path, *more: str) -> Path:
    teacher = f"teacher={{name: maps, path: {maps}, answers: depth}}"
    row = f"{{config: base.yaml, overrides: ['method={{name: response}}', '{teacher}']}}"
    path.write_text(
        "seeds: [0, 1]\nat_once: 0\n"
        "tests: {shapes: {name: synthetic, test_set: shifted-v1, worlds: 2, height: 32, width: 64}}\n"
        f"rows:\n  plain: {{config: base.yaml}}\n  taught: {row}\n  again: {row}\n"
        "contrasts: {a teacher: [taught, plain]}\n" + "\n".join(more)
    )
    return path


def test_there_is_no_verdict_on_who_learned_from_noise(base, write, tmp_path):
    for name, of, poor in (("exact", lambda depth: depth, False), ("noise", noise, True)):
        study, out, said = (
            write_study(tmp_path / f"{name}.yaml", write(name, of)),
            tmp_path / f"out_{name}",
            [],
        )
        verdict = compare(study, out, False, said.append)["contrasts"]["a teacher"]["verdict"]
        assert ("no better than a trivial map" in verdict) == poor
        told = [line for line in said if "its teacher's abs_rel" in line]
        assert len(told) == 1  # by the first of the rows that share it, under the first seed
        assert said.index(told[0]) < said.index("plain, seed 0 ...")  # before any training
        assert ("no verdict on who learns from it" in told[0]) == poor
        assert "Teachers from outside" in (out / "study.md").read_text()


def test_a_row_is_judged_by_its_own_errors_once_it_teaches(base, tmp_path):
    path = write_study(tmp_path / "study.yaml", tmp_path / "maps")
    path.write_text(path.read_text().replace("again: {", "again: {teacher: taught, "))
    study = load(path, StudyConfig)
    trivial = {"shapes": {"training mean": {"abs_rel": 0.3}}}
    noisy = {"taught": {"teacher": 0.25, "trivial": 0.2}}

    def poor(taught, from_outside):
        errors = {"plain": 0.2, "taught": taught, "again": 0.2}
        rows = {name: {"tests": {"shapes": {"abs_rel": error}}} for name, error in errors.items()}
        return poorly_taught(study, rows, trivial, from_outside)

    assert poor(0.2, {}) == set()
    assert poor(0.2, noisy) == {"taught"}  # it learned more than it was told
    assert poor(0.31, {}) == {"again"}
    assert poor(0.31, noisy) == {"taught", "again"}


def test_a_teacher_from_outside_is_looked_at_once(base, write, tmp_path, monkeypatch):
    looks = []

    def counted(config, dataset):
        looks.append(config.method.name)
        return outside_teacher(config, dataset)

    monkeypatch.setattr(compare_teacher, "outside_teacher", counted)
    tuning = (
        "tuning: {tries: [optimizer.rate=1.0e-3, optimizer.rate=1.0e-4], seed: 9,\n"
        "  test: {name: synthetic, worlds: 2, height: 32, width: 64, seed: 77}}\n"
    )
    study, out = (
        write_study(tmp_path / "study.yaml", write("exact", lambda depth: depth), tuning),
        tmp_path / "out",
    )
    first = compare(study, out, False, lambda _: None)
    assert looks.count("response") == 1
    assert first["outside_teachers"]["taught"] == first["outside_teachers"]["again"]
    assert compare(study, out, True, lambda _: None)["outside_teachers"] == first["outside_teachers"]
    assert looks.count("response") == 1
    (out / "outside_teachers.json").write_text("[]")
    assert compare(study, out, True, lambda _: None)["outside_teachers"] == first["outside_teachers"]
    assert looks.count("response") == 2


def test_other_maps_are_looked_at_again(base, write, tmp_path):
    study = write_study(tmp_path / "study.yaml", write("maps", lambda depth: depth))
    known = load(study, StudyConfig)

    def found(out: Path) -> dict[str, dict[str, float]]:
        return outside_teachers(known, Opened(), tmp_path, out, lambda _: None)

    exact = found(tmp_path)
    write("maps", noise)
    assert found(tmp_path)["taught"]["teacher"] > exact["taught"]["teacher"]
