"""The demo is fair: students differ in the teacher's terms only, and its report tells what was measured."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lumde.config import to_dict
from lumde.jobs import demo as demo_job
from lumde.jobs.demo import NETWORKS, TRIVIAL, Budget, Demo, aims, demo_configs, run_demo

TINY = Budget(teacher_minutes=0.01, student_minutes=0.01, worlds=2, frames=5, test_worlds=1, drive_frames=3)
TEACHER_KEYS = {
    "teacher",
    "method.pixel_weight",
    "method.pair_weight",
    "method.holistic_weight",
    "method.critic",
}


def differences(a: Any, b: Any, path: str = "") -> set[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        return set().union(*(differences(a.get(k), b.get(k), f"{path}.{k}".lstrip(".")) for k in {*a, *b}))
    return set() if a == b else {path}


def test_students_differ_in_teacher_terms_only(tmp_path: Path) -> None:
    configs = demo_configs(Demo(tmp_path, TINY, 0, print))
    distilled, alone = (to_dict(configs[n]) for n in ("student", "student_without_distillation"))
    assert differences(distilled, alone) == TEACHER_KEYS
    assert alone["teacher"] is None
    assert distilled["teacher"]["path"] == str(tmp_path / "teacher")


def test_teacher_learns_from_frames_only(tmp_path: Path) -> None:
    configs = demo_configs(Demo(tmp_path, TINY, 3, print))
    teacher = to_dict(configs["teacher"])
    assert teacher["method"]["name"] == "photometric"
    assert teacher["method"]["pose"]["name"] != "recorded"
    assert all(to_dict(config)["student"]["init"] is None for config in configs.values())
    assert {to_dict(config)["loop"]["seed"] for config in configs.values()} == {3}


def test_aims_are_judged_by_the_rows() -> None:
    rows = {name: {"abs_rel": 0.5, "gmacs": 1.0} for name in (*NETWORKS, *TRIVIAL)}
    rows["teacher"]["abs_rel"], rows["student"]["abs_rel"] = 0.10, 0.104
    rows["student"]["gmacs"] = 0.09
    assert all(aim["met"] for aim in aims(rows))
    rows["student"]["abs_rel"] = 0.12
    assert [aim["met"] for aim in aims(rows)] == [True, True, False, True, True, True]
    rows["constant_depth"]["abs_rel"] = 0.2
    assert not aims(rows)[-1]["met"]


@pytest.mark.slow
def test_every_stage_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_job, "QUICK", TINY)
    out = tmp_path / "demo"
    summary = run_demo(out, quick=True, seed=1, say=lambda text: None)
    stored = json.loads((out / "summary.json").read_text())
    assert stored["seed"] == 1
    assert stored["steps"]["student"] == stored["steps"]["student_without_distillation"]
    for name in (*NETWORKS, *TRIVIAL):
        assert {"abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3"} <= stored[name].keys()
    page = (out / "report.html").read_text()
    for name in NETWORKS:
        assert re.search(rf'<data value="{summary[name]["abs_rel"]!r}"', page), name
    assert (out / "depth/index.json").exists()
    assert (out / "depth/depth.mp4").stat().st_size > 0
