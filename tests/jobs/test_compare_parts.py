"""A study in parts: each part runs by itself, and all of them are judged as worlds of one."""

import json
from pathlib import Path

import numpy as np
import pytest

from lumde.config import load
from lumde.errors import ConfigError
from lumde.jobs.compare_judge import POOR, declaration
from lumde.jobs.compare_parts import ALL, PartsConfig, _joined, _require_alike, run_study
from lumde.jobs.study import StudyConfig

PART = """
seeds: [0]
at_once: 0
values: {train: "5"}
overrides: ["data.seed={train}"]
tests:
  shapes: {name: synthetic, families: [shapes], worlds: 2, frames: 2, height: 32, width: 64, seed: 77}
rows:
  first: {config: base.yaml}
  second: {config: base.yaml, overrides: [loop.steps=3]}
contrasts:
  more steps: [second, first]
within:
  no worse: {row: second, reference: first}
"""
JOINT = "parts: {one: one.yaml, two: two.yaml}\n"


@pytest.fixture
def joint(base, tmp_path):
    (tmp_path / "one.yaml").write_text(PART)
    (tmp_path / "two.yaml").write_text('base: one.yaml\nvalues: {train: "6"}\ntests: {shapes: {seed: 78}}\n')
    (tmp_path / "joint.yaml").write_text(JOINT)
    return tmp_path / "joint.yaml"


def test_parts_run_and_are_joined(joint, tmp_path):
    out, said = tmp_path / "out", []
    summary = run_study(joint, out, False, said.append)
    assert said[0] == "part one" and "part two" in said
    stored = {
        name: json.loads((out / name / "results" / "second-seed0.json").read_text())["tests"]["shapes"]
        for name in ("one", "two")
    }
    found = summary["rows"]["second"]["tests"]
    assert list(found) == [ALL, "one", "two"] and summary["judged_on"] == ALL
    errors = [stored[name]["metrics"]["abs_rel"] for name in stored]
    assert [found[name]["abs_rel"] for name in ("one", "two")] == pytest.approx(errors)
    assert found[ALL]["abs_rel"] == pytest.approx(np.mean(errors))
    constant = [summary["trivial"][name]["constant_depth"]["abs_rel"] for name in ("one", "two")]
    assert summary["trivial"][ALL]["constant_depth"]["abs_rel"] == pytest.approx(np.mean(constant))
    assert (
        summary["contrasts"]["more steps"]["verdict"]
        == summary["claims"]["no worse"]["holds"]
        == "too few seeds"
    )
    assert ALL in (out / "study.md").read_text() and (out / "study.html").exists()
    said.clear()
    assert run_study(joint, out, True, said.append)["rows"] == summary["rows"]
    assert said.count("2 of 2 runs have results") == 2


def test_parts_are_worlds_of_the_whole(joint, tmp_path):
    """Five parts, five seeds: the mean over a part's pieces is one world's number, and there is a verdict."""
    names, seeds = [f"part{number}" for number in range(5)], list(range(5))
    studies = {name: load(joint.parent / "one.yaml", StudyConfig, [f"seeds={seeds}"]) for name in names}
    random, metrics = np.random.default_rng(0), {"abs_rel": 0.2, "a1": 0.7}
    expected = np.zeros((5, 5))
    for column, name in enumerate(names):
        folder = tmp_path / "out" / name
        (folder / "results").mkdir(parents=True)
        declared = {"judged_on": "shapes", "seeds": seeds, "contrasts": {"more steps": ["second", "first"]}}
        (folder / "declared.json").write_text(json.dumps(declared))
        for row, gain in (("first", 0.0), ("second", -0.2)):
            for seed in seeds:
                errors = -1.5 + gain + 0.02 * random.standard_normal(3)
                expected[seed, column] += errors.mean() * (1 if row == "second" else -1)
                pieces = {f"clip/{n}": {"log_abs_rel": float(e), "a1": 0.7} for n, e in enumerate(errors)}
                test = {"metrics": metrics, "worlds": pieces, "pieces": True, "agreement": None}
                costs = dict.fromkeys(
                    ("seconds", "total_seconds", "peak_mb", "ms", "params", "gmacs", "steps"), 1.0
                )
                text = json.dumps({**costs, "tests": {"shapes": test}})
                (folder / "results" / f"{row}-seed{seed}.json").write_text(text)
    maps = {"constant_depth": metrics | {"abs_rel": 0.5}}
    part = {"judged_on": "shapes", "trivial": {"shapes": maps}, "outside_teachers": {}}
    found = _joined(studies, dict.fromkeys(names, part), tmp_path / "out", True)
    one = found["contrasts"]["more steps"]
    assert one["mean"] == pytest.approx(expected.mean()) and one["verdict"] == "helps"
    assert found["claims"]["no worse"]["holds"] == "exploratory"  # nobody declared it
    assert found["rows"]["first"]["steps"] == 1
    taught = part | {"outside_teachers": {"second": {"teacher": 0.4, "trivial": 0.3}}}
    misled = _joined(studies, dict.fromkeys(names, taught), tmp_path / "out", True)
    assert misled["contrasts"]["more steps"]["verdict"] == POOR
    dropped = _joined(studies, dict.fromkeys(names, part), tmp_path / "out", False)
    assert dropped["contrasts"]["more steps"]["verdict"] == "exploratory"
    rows = declaration(studies["part0"])["rows"]
    for known, verdict in ((rows, "helps"), ({**rows, "second": "another row"}, "exploratory")):
        for name in names:
            text = json.dumps({**declared, "rows": known})
            (tmp_path / "out" / name / "declared.json").write_text(text)
        found = _joined(studies, dict.fromkeys(names, part), tmp_path / "out", True)
        assert found["contrasts"]["more steps"]["verdict"] == verdict
    (tmp_path / "out" / "part3" / "declared.json").unlink()
    again = _joined(studies, dict.fromkeys(names, part), tmp_path / "out", True)
    assert again["contrasts"]["more steps"]["verdict"] == "exploratory"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds: [0]", "seeds: [1]", r"parts\.two: its seeds are not those of one"),
        ("more steps: [second, first]", "more steps: [first, second]", "its contrasts"),
        ("  second:", "  other: {config: base.yaml}\n  second:", "its rows"),
        ("loop.steps=3", "loop.steps=4", "its rows"),
        ("loop.steps=3", "loop.stepz=3", "stepz"),  # found before the first part runs
        ("no worse:", "as good:", "its claims"),
    ],
)
def test_parts_that_ask_different_things_are_refused(joint, tmp_path, old, new, message):
    part = joint.parent / "two.yaml"
    part.write_text(PART.replace("seed: 77", "seed: 78").replace(old, new))
    with pytest.raises(ConfigError, match=message):
        run_study(joint, tmp_path / "out", False, lambda _: None)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parts: {one: one.yaml}\n", "at least two"),
        ("parts: {one: one.yaml, ../two: two.yaml}\n", "becomes a folder"),
        ("parts: {one: one.yaml, two: ../two.yaml}\n", "beside this one"),
        ("parts: [one.yaml, two.yaml]\n", "parts"),
    ],
)
def test_parts_must_be_names_and_files_beside(joint, tmp_path, text, message):
    joint.write_text(text)
    with pytest.raises(ConfigError, match=message):
        run_study(joint, tmp_path / "out", False, lambda _: None)


def test_a_part_that_is_dropped_after_the_first_result_is_not_forgotten(joint, tmp_path):
    (joint.parent / "three.yaml").write_text("base: one.yaml\ntests: {shapes: {seed: 79}}\n")
    joint.write_text("parts: {one: one.yaml, two: two.yaml, three: three.yaml}\n")
    run_study(joint, tmp_path / "out", False, lambda _: None)
    joint.write_text(JOINT)
    found = run_study(joint, tmp_path / "out", True, lambda _: None)
    assert found["contrasts"]["more steps"]["verdict"] == "exploratory"
    joint.write_text("parts: {one: one.yaml, again: one.yaml}\n")
    with pytest.raises(ConfigError, match="count twice"):
        run_study(joint, tmp_path / "other", False, lambda _: None)


def test_the_parts_of_the_kitchen_ask_the_same():
    path = Path(__file__).parents[2] / "studies" / "kitchen_blocks.yaml"
    joint = load(path, PartsConfig)
    studies = {
        name: load(path.parent / file, StudyConfig, ["root=/r", *joint.overrides])
        for name, file in joint.parts.items()
    }
    _require_alike(studies)
    assert len({str(study.values) for study in studies.values()}) == 5


def test_overrides_reach_every_part(joint, tmp_path):
    joint.write_text(JOINT + 'overrides: ["seeds=[3]"]\n')
    assert load(joint, PartsConfig).overrides == ("seeds=[3]",)
    assert run_study(joint, tmp_path / "out", False, lambda _: None)["seeds"] == [3]
    assert run_study(joint, tmp_path / "two", False, lambda _: None, ["seeds=[4]"])["seeds"] == [4]
