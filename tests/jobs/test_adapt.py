"""Adaptation: what cannot teach depth is refused with its reason, nothing worse than the start is kept."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from lumde.cli import main
from lumde.errors import Interrupted
from lumde.evaluators import parallax
from lumde.evaluators.parallax import DISTANCES
from lumde.files import parse_yaml, read_text
from lumde.jobs import adapt as job
from lumde.models import load, save, scaled


def same_weights(first, second):
    states = (load(path).net.state_dict().values() for path in (first, second))
    return all(torch.equal(a, b) for a, b in zip(*states, strict=True))


def adapted(source, start, out, *more):
    return main(
        [
            "adapt",
            str(source),
            "--model",
            str(start),
            "--out",
            str(out),
            "--minutes",
            "0.05",
            "--fov",
            "60",
            *more,
        ]
    )


def scored(monkeypatch, *errors, flat):
    """Let the next surveys find these errors, beside that of a flat world."""
    scores = iter([job.ClipScore(error, flat, 0.3, 0.4, 2.0, 8) for error in errors])
    for module in (job, parallax):
        monkeypatch.setattr(module, "score_clip", lambda *_: next(scores))


def test_a_clip_is_learned_from_and_judged(clip, start, tmp_path, capsys):
    out = tmp_path / "run"
    assert adapted(clip, start, out, "--json", str(tmp_path / "verdict.json")) == 0
    verdict = json.loads((out / "adaptation.json").read_text())
    assert verdict == json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["before"]["count"] > 0 and verdict["distance"] in DISTANCES
    assert verdict["reason"] in capsys.readouterr().out
    model = load(out / "model")
    assert (model.config.fit, model.config.height, model.config.width) == ("area", 48, 64)
    if not verdict["adapted"]:
        assert same_weights(start, out / "model")


@pytest.mark.parametrize(
    ("after", "flat", "kept"),
    [(0.05, 0.2, True), (0.0995, 0.2, False), (0.15, 0.2, False), (0.08, 0.09, True), (0.08, 0.07, False)],
)
def test_only_what_explains_held_out_frames_better_is_kept(
    clip, start, tmp_path, monkeypatch, after, flat, kept
):
    scored(monkeypatch, 0.1, after, flat=flat)
    assert adapted(clip, start, tmp_path / "run") == 0
    verdict = json.loads((tmp_path / "run" / "adaptation.json").read_text())
    assert verdict["adapted"] is kept
    assert same_weights(start, tmp_path / "run" / "model") is not kept


def test_metres_that_nothing_recorded_holds_are_not_claimed(clip, start, tmp_path, monkeypatch):
    scored(monkeypatch, 0.1, 0.05, flat=0.09)  # held to its first answers, whose metres are its own
    save(scaled(load(start), 1.0, "metres"), tmp_path / "metric")
    assert adapted(clip, tmp_path / "metric", tmp_path / "run") == 0
    assert load(tmp_path / "run" / "model").config.unit == "relative"


@pytest.mark.parametrize(("flat", "weight"), [(0.2, 0.0), (0.09, job.ANCHOR)])
def test_where_depth_explains_nothing_the_network_stays_near_its_answers(
    clip, start, tmp_path, monkeypatch, capsys, flat, weight
):
    """A clip that a flat world explains as well (movers, little parallax) must not lead astray."""
    scored(monkeypatch, 0.1, 0.05, flat=flat)
    assert adapted(clip, start, tmp_path / "run") == 0
    assert parse_yaml(read_text(tmp_path / "run" / "config.yaml"), "")["method"]["pixel_weight"] == weight
    said = capsys.readouterr()
    assert ("stays near its answers" in said.out + said.err) is bool(weight)


def test_a_repeated_picture_teaches_nothing_and_is_told_so(start, tmp_path, capsys):
    picture = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    (tmp_path / "still").mkdir()
    for i in range(40):
        Image.fromarray(picture).save(tmp_path / "still" / f"{i:03d}.png")
    assert adapted(tmp_path / "still", start, tmp_path / "run") == 0
    assert "nothing was learned" in (said := capsys.readouterr().out) and "nothing moves" in said
    assert same_weights(start, tmp_path / "run" / "model")


def test_too_little_and_used_folders_are_explained(clip, start, tmp_path, capsys):
    (tmp_path / "short").mkdir()
    for i in range(5):
        (tmp_path / "short" / f"{i}.png").write_bytes((clip / f"{i:03d}.png").read_bytes())
    assert adapted(tmp_path / "short", start, tmp_path / "run") == 0
    assert "too few frames" in capsys.readouterr().out
    assert adapted(clip, start, tmp_path / "run") == 2
    assert adapted(tmp_path / "nothing", start, tmp_path / "run2") == 3
    assert adapted(clip, tmp_path / "no model", tmp_path / "run3") == 4


@pytest.fixture
def dataset(clip, tmp_path):
    """A dataset folder whose name YAML would read as a number."""
    (tmp_path / "2024" / "image").mkdir(parents=True)
    for picture in clip.iterdir():
        (tmp_path / "2024" / "image" / picture.name).write_bytes(picture.read_bytes())
    return tmp_path / "2024"


def test_a_dataset_folder_has_its_own_camera_and_any_name(dataset, start, tmp_path, capsys):
    assert adapted(dataset, start, tmp_path / "run") == 2
    assert "camera.yaml" in capsys.readouterr().err and not (tmp_path / "run").exists()
    words = ["--model", str(start), "--out", str(tmp_path / "run"), "--minutes", "0.05"]
    assert main(["adapt", str(dataset), *words]) == 0


def test_an_interrupted_adaptation_leaves_nothing_in_the_way(clip, start, tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise Interrupted("state saved; go on with --resume", 130)

    monkeypatch.setattr(job, "train", interrupted)
    monkeypatch.setattr(parallax, "score_clip", lambda *_: job.ClipScore(0.1, 0.2, 0.3, 0.4, 2.0, 8))
    for empty in (False, True):  # a folder that was there but held nothing is as good as none
        if empty:
            (tmp_path / "run").mkdir()
        assert adapted(clip, start, tmp_path / "run") == 130
        said = capsys.readouterr().err
        assert "nothing was kept" in said and "--resume" not in said
        assert not (tmp_path / "run").exists() and not (tmp_path / "run_data").exists()


def test_what_is_held_out_is_seen_by_no_training_step(clip):
    """Of 44 frames in blocks of 6 every fifth block (24 to 29) is kept for the verdict, also from sources."""
    held, learned = (
        [key.position for key in job._Clip(clip, (48, 64), False, False)._frames(3, held_out).targets]
        for held_out in (True, False)
    )
    assert held == list(range(24, 30)) and learned == [*range(21), *range(33, 44)]
