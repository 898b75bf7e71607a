"""A small study runs, resumes, and judges; one that cannot be run is refused before its first run."""

import json
import math
import shutil
import signal
from dataclasses import replace
from multiprocessing.context import SpawnProcess
from pathlib import Path

import numpy as np
import pytest
import torch

from lumde.config import load, read_values
from lumde.errors import ConfigError, Interrupted, NumericsError, UsageError
from lumde.jobs.compare import compare
from lumde.jobs.compare_judge import declaration, judged, still_asked
from lumde.jobs.compare_outside import outside
from lumde.jobs.compare_run import _world_means
from lumde.jobs.compare_store import Store, fingerprint
from lumde.jobs.study import StudyConfig, TuningConfig, anonymous_config, config_of, filled, overrides_of
from lumde.jobs.tuning import _name, try_all
from lumde.models import DepthModel, ModelConfig, build_net, save
from lumde.nets import DepthSmall
from lumde.report.study import study_figure
from lumde.worlds import VERSION

ROOT = Path(__file__).parents[2]

STUDY = """
seeds: [0, 1]
at_once: 0
tests:
  shapes: {name: synthetic, test_set: shifted-v1, worlds: 2, height: 32, width: 64}
rows:
  teacher: {config: base.yaml, overrides: [loop.steps=4], title: the teacher}
  imitation:
    config: base.yaml
    overrides: ["method={name: response}", "teacher={name: run, path: ''}"]
    teacher: teacher
  started: {config: base.yaml, start: teacher}
keeps:
  the teacher's a1: {row: imitation, reference: teacher, loss: 0.5}
contrasts:
  imitation against teacher: [imitation, teacher]
"""


@pytest.fixture
def study(base, tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path / "study.yaml"


def test_a_study_runs_and_goes_on_where_it_was_cut(study, tmp_path):
    out, said = tmp_path / "out", []
    summary = compare(study, out, False, said.append)
    files = sorted(path.name for path in (out / "results").iterdir())
    assert files == [
        f"{row}-seed{seed}.json" for row in ("imitation", "started", "teacher") for seed in (0, 1)
    ]
    row = json.loads((out / "results" / "imitation-seed1.json").read_text())
    assert row["steps"] == 2 and row["peak_mb"] > 50 and row["tests"]["shapes"]["agreement"] > 0
    assert row["extra_params"] == summary["rows"]["imitation"]["extra_params"] == 0
    assert row["tests"]["shapes"]["unscaled"] >= row["tests"]["shapes"]["metrics"]["abs_rel"] / 2
    assert "unscaled" in summary["rows"]["imitation"]["tests"]["shapes"]
    teacher = json.loads((out / "results" / "teacher-seed1.json").read_text())
    assert row["total_seconds"] == pytest.approx(row["seconds"] + teacher["seconds"])
    assert teacher["tests"]["shapes"]["agreement"] is None
    assert len(row["tests"]["shapes"]["worlds"]) == 2
    mean = sum(
        json.loads((out / "results" / f"teacher-seed{s}.json").read_text())["tests"]["shapes"]["metrics"][
            "abs_rel"
        ]
        for s in (0, 1)
    )
    assert summary["rows"]["teacher"]["tests"]["shapes"]["abs_rel"] == pytest.approx(mean / 2)
    one = summary["contrasts"]["imitation against teacher"]
    assert one["verdict"].startswith("too few seeds; its teacher is no better") and math.exp(
        one["mean"]
    ) == pytest.approx(one["ratio"][0])
    kept = summary["claims"]["the teacher's a1"]
    a1 = {
        name: np.mean(
            [
                [world["a1"] for world in result["tests"]["shapes"]["worlds"].values()]
                for result in (
                    json.loads((out / "results" / f"{name}-seed{seed}.json").read_text()) for seed in (0, 1)
                )
            ]
        )
        for name in ("imitation", "teacher")
    }
    assert kept["found"] == pytest.approx((a1["teacher"] - a1["imitation"]) / a1["teacher"])
    assert kept["from"] <= kept["found"] <= kept["to"] and kept["holds"] == one["verdict"]
    maps = json.loads((out / "trivial.json").read_text())
    assert maps["about"]["maps_of"]["families"] == ["shapes"] and maps["rows"] == summary["trivial"]
    text = (out / "study.md").read_text()
    assert (
        "**Claims**" in text
        and "the teacher" in text
        and "constant depth" in text
        and "imitation against teacher" in text
    )
    assert "<circle" in (out / "study.html").read_text() and "script" not in (
        out / "study.html"
    ).read_text().replace("no scripts", "")
    (out / "results" / "started-seed1.json").unlink()
    again = compare(study, out, True, said.append)
    assert "5 of 6 runs have results" in said and again["rows"] == summary["rows"] | {
        "started": again["rows"]["started"]
    }
    shutil.rmtree(out / "runs")  # results alone are enough, but where an open row needs the run itself
    (out / "results" / "started-seed1.json").unlink()
    compare(study, out, True, said.append)
    assert "4 of 6 runs have results" in said
    assert sorted(p.name for p in (out / "runs").iterdir()) == ["started-seed1", "teacher-seed1"]
    with pytest.raises(UsageError):
        compare(study, out, False, said.append)
    study.write_text(STUDY + "  started against teacher: [started, teacher]\n")
    late = compare(study, out, True, said.append)["contrasts"]  # asked when the results were known
    assert late["started against teacher"]["verdict"] == "exploratory"
    assert late["imitation against teacher"] == one
    (out / "declared.json").unlink()
    nobody_knows = compare(study, out, True, said.append)["contrasts"]
    assert nobody_knows["imitation against teacher"]["verdict"] == "exploratory"
    assert "exploratory" in (out / "study.md").read_text()
    study.write_text(STUDY.replace("loop.steps=4", "loop.steps=5"))
    with pytest.raises(ConfigError, match=r"rows\.teacher: has changed"):
        compare(study, out, True, said.append)
    study.write_text(STUDY)
    (tmp_path / "base.yaml").write_text(
        (tmp_path / "base.yaml").read_text().replace("steps: 2", "steps: 3")
    )  # the same study, another config
    with pytest.raises(ConfigError, match=r"rows\.imitation: has changed"):
        compare(study, out, True, said.append)


def one_seed(study):
    study.write_text(STUDY.replace("[0, 1]", "[0]"))
    return study


def test_what_stood_on_a_lost_run_runs_again_if_that_is_another_one_now(study, tmp_path):
    """Results were copied alone: an open row needs its teacher again, and others may have learned from it."""
    out, said = tmp_path / "out", []
    compare(one_seed(study), out, False, said.append)
    shutil.rmtree(out / "runs" / "teacher-seed0")
    (out / "runs" / "imitation-seed0" / "old").touch()
    (out / "results" / "started-seed0.json").unlink()
    file = out / "results" / "imitation-seed0.json"
    of_another_teacher = json.loads(file.read_text())
    of_another_teacher["stood_on"] = {"teacher": "0123456789abcdef"}
    kept = json.loads((out / "results" / "teacher-seed0.json").read_text())
    for number in range(2):  # the result of the same teacher stays, that of another one does not
        if number:
            file.write_text(json.dumps(of_another_teacher))
            (out / "results" / "started-seed0.json").unlink()
            shutil.rmtree(out / "runs" / "teacher-seed0")
        said.clear()
        compare(study, out, True, said.append)
        assert (
            said[0].startswith("teacher, seed 0: runs again, its run is gone")
            and "1 of 3 runs have results" in said
        )
        assert any(text.startswith("imitation, seed 0: runs again") for text in said) == bool(number)
        assert (out / "runs" / "imitation-seed0" / "old").exists() == (not number)
        now = json.loads((out / "results" / "teacher-seed0.json").read_text())
        assert now["tests"] == kept["tests"]
    assert json.loads(file.read_text())["stood_on"] != of_another_teacher["stood_on"]


def test_a_teacher_that_was_removed_takes_its_students_along(study, tmp_path):
    """What the program advises where a row has changed; what a student had only begun is begun anew too."""
    out, said = tmp_path / "out", []
    compare(one_seed(study), out, False, said.append)
    (out / "results" / "teacher-seed0.json").unlink()
    shutil.rmtree(out / "runs" / "teacher-seed0")
    (out / "results" / "started-seed0.json").unlink()
    (out / "runs" / "started-seed0" / "old").touch()
    study.write_text(study.read_text().replace("loop.steps=4", "loop.steps=3"))
    said.clear()
    compare(study, out, True, said.append)
    assert any(text.startswith("imitation, seed 0: runs again, it stood on another run") for text in said)
    assert not (out / "runs" / "started-seed0" / "old").exists()


def test_results_on_other_tests_or_worlds_are_not_mixed(study, tmp_path, monkeypatch):
    out = tmp_path / "out"
    study.write_text(STUDY.replace("[0, 1]", "[0]"))
    compare(study, out, False, lambda _: None)
    monkeypatch.setattr("lumde.jobs.compare._compared", None)  # refused before anything is tried
    before = (out / "study.yaml").read_text()
    study.write_text(STUDY.replace("[0, 1]", "[0]").replace("worlds: 2, height", "worlds: 3, height"))
    with pytest.raises(ConfigError, match=r"tests: rows\.teacher ran on others"):
        compare(study, out, True, lambda _: None)
    assert (out / "study.yaml").read_text() == before
    study.write_text(STUDY.replace("[0, 1]", "[0]"))
    file = out / "results" / "started-seed0.json"
    file.write_text(file.read_text().replace(VERSION, "worlds-0"))
    with pytest.raises(ConfigError, match=r"rows\.started ran on others, or with another generator"):
        compare(study, out, True, lambda _: None)


@pytest.mark.slow
def test_runs_side_by_side_give_the_same(study, tmp_path):
    alone = compare(study, tmp_path / "alone", False, lambda _: None)
    study.write_text(STUDY.replace("at_once: 0", "at_once: 2"))
    beside = compare(study, tmp_path / "beside", False, lambda _: None)
    assert alone["contrasts"] == beside["contrasts"]


def test_a_run_that_fails_beside_others_ends_the_study(study, tmp_path):
    for name, part in (("sick", "optimizer: {rate: 1.0e+30}"), ("long", "optimizer: {rate: 1.0e-3}")):
        steps = "loop: {steps: 100000}" if name == "long" else "loop: {steps: 50}"
        (tmp_path / f"{name}.yaml").write_text(
            (tmp_path / "base.yaml").read_text().replace("loop: {steps: 2}", steps) + part + "\n"
        )
    study.write_text(
        STUDY[: STUDY.index("rows:")] + "rows: {long: {config: long.yaml}, sick: {config: sick.yaml}}\n"
    )
    with pytest.raises(NumericsError):  # and the long run was stopped, not waited for
        compare(study, tmp_path / "out", False, lambda _: None, ["at_once=2", "seeds=[0]"])
    assert list((tmp_path / "out" / "results").iterdir()) == []


def test_a_signal_while_a_run_starts_stops_it_once_it_has(study, tmp_path, monkeypatch, capfd):
    begin, begun = SpawnProcess.start, []

    def begin_and_be_stopped(process):
        signal.raise_signal(signal.SIGTERM)
        begin(process)
        begun.append(process)

    monkeypatch.setattr(SpawnProcess, "start", begin_and_be_stopped)
    with pytest.raises(Interrupted, match="--resume") as stopped:
        compare(study, tmp_path / "out", False, lambda _: None, ["at_once=1", "seeds=[0]"])
    assert stopped.value.exit_code == 143
    assert len(begun) == 1 and not begun[0].is_alive()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("teacher: teacher\n", "teacher: teecher\n", r"needs row 'teecher' above it.*teacher"),
        ("[imitation, teacher]", "[imitation, other]", "no row 'other'"),
        ("seeds: [0, 1]", "seeds: [1, 1]", "each once"),
        ("loop.steps=4", "loop.stepz=4", "stepz"),
        ("test_set: shifted-v1", "test_set: nothing", "nothing"),
        ("  started:", "  ../started:", "becomes a folder"),
        ("config: base.yaml, start", "config: bass, start", "bass"),
        ("start: teacher}", "teacher: imitation}", "teacher"),  # a row whose config knows no teacher
    ],
)
def test_what_cannot_be_run_is_refused_first(study, tmp_path, old, new, message):
    study.write_text(STUDY.replace(old, new))
    with pytest.raises((ConfigError, UsageError), match=message):
        compare(study, tmp_path / "out", False, lambda _: None)
    assert not (tmp_path / "out").exists()


def test_more_contrasts_than_can_be_judged_are_refused(study):
    lines = "".join(f"  c{i}: [imitation, teacher]\n" for i in range(8))
    study.write_text(STUDY + lines)
    with pytest.raises(ConfigError, match="at most 8"):
        load(study, StudyConfig)


STUDIES = [path for path in sorted((ROOT / "studies").glob("*.yaml")) if "parts" not in read_values(path)]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_studies_of_the_repository_can_be_run(path):
    study = load(path, StudyConfig, ["root=/recordings"])
    for name in study.rows:
        config_of(study, name, path.parent, Path("out"))
    if study.tuning is None:
        return

    def run_all(tries):
        assert set(tries.test_configs()) == {"validation"}
        config_of(tries, list(tries.rows)[-1], path.parent, Path("out"))
        found = {"tests": {"validation": {"metrics": {"abs_rel": 0.1}}}}
        return {(name, study.tuning.seed): found for name in tries.rows}

    assert set(try_all(study, study.tuning, run_all, {})) == set(study.rows)


def test_a_study_of_recordings_asks_where_they_are_and_forgets_it(study):
    """{root} stands in texts wherever they are; results name no folder of this machine."""
    study.write_text(STUDY + "overrides: ['data={name: frames, root: \"{root}/a\"}']\n")
    with pytest.raises(ConfigError, match="root: missing"):
        load(study, StudyConfig)
    read = load(study, StudyConfig, ["root=/x y"])
    assert overrides_of(read, "teacher", 3, Path("out")) == (
        'data={name: frames, root: "/x y/a"}',
        "loop.steps=4",
        "loop.seed=3",
    )
    named = ["root=/r", "overrides=['data.frames={part}']", "values={part: '0:40,110:250'}"]
    for wrong in ("values={prat: '0:40'}", "values={root: /x}"):
        with pytest.raises(ConfigError, match="stands in no text"):
            load(study, StudyConfig, [*named[:2], wrong])
    parts = load(study, StudyConfig, named)
    assert overrides_of(parts, "teacher", 3, Path("out"))[0] == "data.frames=0:40,110:250"
    values = {"a": ["{root}/b", 1], "c": ("{root}",)}
    assert filled(values, {"root": "/r"}) == {"a": ["/r/b", 1], "c": ("/r",)}
    for root in ("supervised", "tiny", "/r"):  # a folder's name may be part of anything
        found = anonymous_config(load(study, StudyConfig, [f"root={root}"]), "imitation", study.parent)
        assert (found.data.name, found.student.size, found.teacher.path) == ("frames", "tiny", "{teacher}")
        assert found.data.root == "{root}/a"


TUNING = """
tuning:
  tries: [optimizer.rate=1.0e-3, optimizer.rate=1.0]
  test: {name: synthetic, families: [shapes], worlds: 2, frames: 2, height: 32, width: 64, seed: 9}
"""


def result(error: float, a1: float) -> dict:
    worlds = {f"w{number}": {"log_abs_rel": error, "a1": a1} for number in range(5)}
    return {"tests": {"shapes": {"worlds": worlds}}}


@pytest.mark.parametrize(
    ("gain", "lost", "verdict", "kept"),
    [(-0.1, 0.002, "helps", "yes"), (0.1, 0.1, "harms", "no"), (0.0, 0.02, "neutral", "undecided")],
)
def test_verdicts_follow_from_the_intervals(study, gain, lost, verdict, kept):
    config, results = eight_seeds(study, gain, lost)
    found = judged(config, results, declaration(config))
    (one,), (claim,) = found["contrasts"].values(), found["claims"].values()
    assert one["verdict"] == verdict and one["mean"] == pytest.approx(gain)
    assert claim["holds"] == kept and claim["found"] == pytest.approx(lost)
    assert one["p_holm"] == pytest.approx(min(1.0, 2 * one["p"]))  # the claim was asked too
    more = {"contrasts": {**declaration(config)["contrasts"], **{f"c{n}": ["a", "b"] for n in range(6)}}}
    (of_eight,) = judged(config, results, declaration(config) | more)["contrasts"].values()
    assert of_eight["p_holm"] == pytest.approx(min(1.0, 8 * one["p"]))  # what is not shown is not forgotten


def test_what_was_not_asked_beforehand_gets_no_verdict(study):
    config, results = eight_seeds(study, -0.1, 0.002)

    def words(config, results, declared):
        found = judged(config, results, declared)
        return [
            found["contrasts"]["imitation against teacher"]["verdict"],
            *(claim["holds"] for claim in found["claims"].values()),
        ]

    declared = declaration(config)
    assert words(config, results, declared) == ["helps", "yes"]
    assert words(config, results, {}) == ["exploratory"] * 2
    assert judged(config, results, {})["contrasts"]["imitation against teacher"]["p_holm"] is None
    assert words(config, results, declared | {"keeps": {}}) == ["helps", "exploratory"]
    assert words(config, results, declared | {"seeds": [0, 1, 2, 3, 4]}) == ["exploratory"] * 2
    assert words(config, results, declared | {"seeds": list(range(10))}) == [
        "helps (8 of 10 seeds)",
        "yes (8 of 10 seeds)",
    ]
    poor = judged(config, results, declared, {"imitation"})
    assert "trivial" in poor["contrasts"]["imitation against teacher"]["verdict"]
    few = {
        key: {"tests": {"shapes": {"worlds": dict(list(one["tests"]["shapes"]["worlds"].items())[:4])}}}
        for key, one in results.items()
    }
    assert words(config, few, declared) == ["too few worlds"] * 2
    pieces = {
        key: {"tests": {"shapes": one["tests"]["shapes"] | {"pieces": True}}} for key, one in results.items()
    }
    assert words(config, pieces, declared) == ["pieces of a clip"] * 2
    both = judged(config, pieces, declared, {"imitation"})["contrasts"]["imitation against teacher"]
    assert both["verdict"].startswith("pieces of a clip; its teacher is no better")


def test_other_weights_at_the_same_place_are_not_mixed(study, tmp_path):
    out, start = tmp_path / "out", tmp_path / "start"
    (out / "results").mkdir(parents=True)
    config = load(study, StudyConfig, [f"overrides=['student.init={start}']"])

    def stored(seed):
        torch.manual_seed(seed)
        shutil.rmtree(start, ignore_errors=True)
        net = DepthSmall.Config(size="tiny", scales=1)
        save(DepthModel(ModelConfig(net=net, height=32, width=64), build_net(net)), start)
        return Store(config, study.parent, out, lambda _: None)

    first = stored(0)
    assert list(first.outside["teacher"]) == ["student.init"] and not first.outside["started"]
    run = out / "runs" / "teacher-seed0"
    first.begin(("teacher", 0))
    (run / "model").mkdir(parents=True)
    first.begin(("teacher", 0))
    assert (run / "model").is_dir()  # what was begun with these weights goes on
    second = stored(1)
    with pytest.raises(ConfigError, match=r"rows.teacher: .* \(student.init\) changed while the study ran"):
        first.begin(("teacher", 0))
    second.begin(("teacher", 0))
    assert not run.exists()  # what was begun with others does not
    plain = Store(load(study, StudyConfig), study.parent, out, lambda _: None)
    for kept in (False, True):  # the first look finds what began with weights, the second what began without
        (run / "model").mkdir(parents=True, exist_ok=True)
        plain.begin(("teacher", 0))
        assert run.exists() == kept
    second.begin(("teacher", 0))
    (run / "model").mkdir(parents=True)
    second.keep(("teacher", 0), {"tests": {}})
    assert ("teacher", 0) in stored(1).results
    with pytest.raises(ConfigError, match=r"rows.teacher: ran with other weights .* \(student.init\)"):
        stored(0)


def test_maps_and_weight_files_are_known_by_content(study, tmp_path):
    maps, seen = tmp_path / "maps", set()
    maps.mkdir()
    named = load(study, StudyConfig, [f"overrides=['teacher={{name: maps, path: {maps}}}']"])
    for content in (b"one", b"two"):
        for number in range(3):
            (maps / f"{number}.npy").write_bytes(content)
        seen.add(outside(named, "started", study.parent, tmp_path)["teacher.path"])
    assert len(seen) == 2
    student = "overrides=['student={name: depth_resnet, scales: 1}']"
    assert outside(load(study, StudyConfig, [student]), "started", study.parent, tmp_path) == {}


def eight_seeds(study, gain: float, lost: float):
    """A row that errs e^gain as much as its teacher and loses a share of its a1, with noise between seeds."""
    seeds = tuple(range(8))
    config = load(study, StudyConfig, [f"seeds={list(seeds)}", "main_test=shapes"])
    config.keeps["the teacher's a1"].loss = 0.02
    noise = [0.01 * (-1) ** seed for seed in seeds]
    results = {("teacher", seed): result(0.2, 0.8) for seed in seeds} | {
        ("imitation", seed): result(0.2 + gain + noise[seed], 0.8 * (1 - lost - noise[seed]))
        for seed in seeds
    }
    return config, results


def test_every_row_runs_with_its_best_try_on_the_validation_set(study, tmp_path):
    study.write_text(STUDY.replace("[0, 1]", "[0]") + TUNING)
    out, said = tmp_path / "out", []
    summary = compare(study, out, False, said.append)
    for row in ("teacher", "imitation", "started"):
        tries = [
            json.loads((out / "tuning" / "results" / f"{row}-{rate}-seed1000.json").read_text())
            for rate in ("try0-optimizer_rate_1_0e_3", "try1-optimizer_rate_1_0")
        ]
        errors = [one["tests"]["validation"]["metrics"]["abs_rel"] for one in tries]
        assert json.loads((out / "tuning.json").read_text())["errors"][row] == errors
        chosen = json.loads((out / "results" / f"{row}-seed0.json").read_text())["config"]
        assert chosen["optimizer"]["rate"] == (1e-3, 1.0)[errors.index(min(errors))]
        assert tries[1]["config"]["optimizer"]["rate"] == 1.0
    assert [line["row"] for line in summary["tuning"]] == ["the teacher", "imitation", "started"]
    assert "**Tuning**" in (out / "study.md").read_text()
    shutil.rmtree(out / "tuning")  # its summary is enough
    said.clear()
    assert compare(study, out, True, said.append)["tuning"] == summary["tuning"]
    assert said == ["3 of 3 runs have results"]
    late = """
  late:
    config: base.yaml
    overrides: ["method={name: response}", "teacher={name: run, path: ''}"]
    teacher: teacher
"""
    study.write_text(study.read_text().replace("keeps:\n", late.lstrip("\n") + "keeps:\n"))
    said.clear()
    errors = compare(study, out, True, said.append)["tuning"]
    assert errors[:3] == summary["tuning"] and len(errors) == 4
    tried = {path.name.split("-")[0] for path in (out / "tuning" / "runs").iterdir()}
    assert tried == {"teacher", "late"} and "0 of 3 runs have results" in said  # the best try of its teacher


def test_a_try_that_diverges_is_not_the_best(study, tmp_path):
    study.write_text(STUDY.replace("[0, 1]", "[0]") + TUNING.replace("=1.0]", "=1.0e+30]"))
    (tmp_path / "base.yaml").write_text((tmp_path / "base.yaml").read_text().replace("steps: 2", "steps: 60"))
    study.write_text(study.read_text().replace("loop.steps=4", "loop.steps=60"))
    summary = compare(study, tmp_path / "out", False, lambda _: None)
    assert [line["optimizer.rate=1.0e+30"] for line in summary["tuning"]] == [None, None, None]
    assert all(line["optimizer.rate=1.0e-3"] > 0 for line in summary["tuning"])


def test_another_teacher_is_another_row(study, tmp_path):
    out = tmp_path / "out"
    study.write_text(STUDY.replace("[0, 1]", "[0]"))
    compare(study, out, False, lambda _: None)
    row = json.loads((out / "results" / "imitation-seed0.json").read_text())
    assert row["config"]["teacher"]["path"] == "{teacher}" and str(tmp_path) not in json.dumps(row)
    moved = shutil.copytree(out, tmp_path / "moved")
    said = []
    compare(study, moved, True, said.append)
    assert said == ["3 of 3 runs have results"]
    other = STUDY.replace("[0, 1]", "[0]").replace("    teacher: teacher", "    teacher: better")
    study.write_text(other.replace("rows:\n", "rows:\n  better: {config: base.yaml}\n"))
    with pytest.raises(ConfigError, match=r"rows\.imitation: has changed"):
        compare(study, out, True, lambda _: None)


@pytest.mark.parametrize(
    "text",
    [
        TUNING + "  seed: 1\n",
        TUNING.replace("[optimizer.rate=1.0e-3, optimizer.rate=1.0]", "[optimizer.rate=1.0]"),
        "tuning: {tries: [loop.steps=1, loop.steps=2], test: "
        "{name: synthetic, test_set: shifted-v1, worlds: 2, height: 32, width: 64, every: 1}}\n",
    ],
)
def test_a_tuning_on_what_is_judged_is_refused(study, tmp_path, text):
    study.write_text(STUDY + text)
    with pytest.raises(ConfigError, match=r"tuning|tries"):
        compare(study, tmp_path / "out", False, lambda text: None)
    assert not (tmp_path / "out").exists()


def test_a_tuning_on_some_of_the_frames_that_judge_is_refused(study, tmp_path):
    tuned = "{name: synthetic, test_set: shifted-v1, worlds: 1, height: 32, width: 64}"
    study.write_text(STUDY + f"tuning: {{tries: [loop.steps=1, loop.steps=2], test: {tuned}}}\n")
    with pytest.raises(ConfigError, match=r"tuning\.test: shares 10 frames with tests\.shapes"):
        compare(study, tmp_path / "out", False, lambda text: None)


def test_pieces_of_a_clip_stand_for_worlds_where_there_are_few():
    rows = [{"sequence": "room", "abs_rel": math.e**i, "a1": i} for i in range(25)]
    found = _world_means(rows)
    assert list(found) == ["room/0", "room/10", "room/20"]
    assert [one["log_abs_rel"] for one in found.values()] == pytest.approx([4.5, 14.5, 22.0])
    many = [{**row, "sequence": f"world{i % 5}"} for i, row in enumerate(rows)]
    assert list(_world_means(many)) == [f"world{i}" for i in range(5)]
    assert _world_means(many)["world1"]["a1"] == pytest.approx(11)


def test_tries_that_differ_in_a_sign_alone_are_two():
    tuning = TuningConfig(tries=("loss.weight=-0.1", "loss.weight=0.1"), test=None)
    assert _name(tuning, "row", tuning.tries[0]) != _name(tuning, "row", tuning.tries[1])


def test_rows_of_one_title_are_points_of_their_own():
    row = {"title": "... with more", "tests": {"t": {"abs_rel": 0.1}}}
    rows = {name: {**row, "total_seconds": float(seconds)} for seconds, name in enumerate("abc")}
    assert study_figure({"rows": rows, "judged_on": "t"}).count("<circle") == 3


def test_facts_that_are_measured_since_make_no_result_another_one():
    old = {"tests": {"shapes": {"metrics": {"abs_rel": 0.1}, "agreement": None}}}
    new = {"tests": {"shapes": {**old["tests"]["shapes"], "unscaled": 0.2, "affine": False}}}
    other = {"tests": {"shapes": {"metrics": {"abs_rel": 0.2}, "agreement": None}}}
    assert fingerprint(old) == fingerprint(new) != fingerprint(other)


def test_what_began_on_other_worlds_does_not_go_on(study, tmp_path, monkeypatch):
    out = tmp_path / "out"
    (out / "results").mkdir(parents=True)
    store = Store(load(study, StudyConfig), study.parent, out, lambda _: None)
    run = out / "runs" / "teacher-seed0"
    for version in (VERSION, "worlds-0"):
        monkeypatch.setattr("lumde.jobs.compare_store.VERSION", version)
        store.begin(("teacher", 0))
        assert not run.exists()
        (run / "model").mkdir(parents=True)
        store.begin(("teacher", 0))
        assert run.exists()


def test_a_run_whose_weights_are_gone_is_trained_again(study, tmp_path):
    out, said = tmp_path / "out", []
    compare(one_seed(study), out, False, said.append)
    for kind in ("model", "checkpoints"):  # somebody needed the place
        shutil.rmtree(out / "runs" / "teacher-seed0" / kind)
    (out / "results" / "started-seed0.json").unlink()
    summary = compare(study, out, True, said.append)
    assert summary["rows"]["started"]["steps"] == 2
    assert (out / "runs" / "teacher-seed0" / "model").is_dir()


def test_an_unfinished_run_under_another_config_is_named(study, tmp_path):
    out = tmp_path / "out"
    compare(one_seed(study), out, False, lambda _: None)
    (out / "results" / "imitation-seed0.json").unlink()
    changed = study.read_text().replace("name: response}", "name: response, gradient_weight: 0.5}")
    study.write_text(changed)
    with pytest.raises(
        ConfigError, match=r"imitation-seed0: .*\n.*gradient_weight.*\nremove .*imitation-seed0"
    ):
        compare(study, out, True, lambda _: None)


def test_a_row_that_is_another_one_now_gets_no_verdict(study):
    config, results = eight_seeds(study, -0.1, 0.002)
    declared = declaration(config)

    def words(now, known):
        found = judged(now, results, still_asked(now, known))
        return [found["contrasts"]["imitation against teacher"]["p_holm"] is None, *found["claims"].values()]

    assert not words(config, declared)[0]
    assert not words(config, {key: value for key, value in declared.items() if key != "rows"})[0]  # as it was
    for row in ("imitation", "teacher"):
        changed = replace(config.rows[row], overrides=(*config.rows[row].overrides, "optimizer.rate=0.5"))
        now = replace(config, rows={**config.rows, row: changed})
        asked, claim = words(now, declared)
        assert asked and claim["holds"] == "exploratory"
    renamed = replace(config.rows["teacher"], title="another title")
    assert not words(replace(config, rows={**config.rows, "teacher": renamed}), declared)[0]


def test_rows_that_are_known_up_to_a_shift_are_not_held_against_others(study):
    config, results = eight_seeds(study, -0.1, 0.002)
    for seed in config.seeds:
        results["imitation", seed]["tests"]["shapes"]["affine"] = True
    found = judged(config, results, declaration(config))
    assert "up to a shift" in found["contrasts"]["imitation against teacher"]["verdict"]


def test_frames_that_judge_end_no_training(study, tmp_path):
    for worlds, message in ((2, "is a test of the study"), (1, "shares 10 frames with tests.shapes")):
        ended = f"{{name: synthetic, test_set: shifted-v1, worlds: {worlds}, height: 32, width: 64}}"
        plateau = (
            "[loop.steps=4, 'loop.plateau={every_steps: 1, decay_steps: 1}', 'validation={data: " + ended
        )
        study.write_text(STUDY.replace("overrides: [loop.steps=4]", f"overrides: {plateau}}}']"))
        with pytest.raises(ConfigError, match=rf"rows\.teacher: validation\.data: {message}"):
            compare(study, tmp_path / f"out{worlds}", False, lambda _: None)


def test_what_a_teacher_must_beat_is_asked_of_teachers_alone(study):
    study.write_text(STUDY + "teacher_beats: {imitation: started}\n")
    with pytest.raises(ConfigError, match="teacher_beats.imitation: is no row's teacher"):
        load(study, StudyConfig)
