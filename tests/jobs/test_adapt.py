"""Adaptation: what cannot teach depth is refused with its reason, nothing worse than the start is kept."""

import json
import math
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from lumde.cli import main
from lumde.data.snippets import Snippets
from lumde.errors import Interrupted, NothingUsable
from lumde.evaluators import parallax
from lumde.evaluators.parallax import DISTANCES
from lumde.files import parse_yaml, read_text
from lumde.jobs import adapt as job
from lumde.jobs.adapt_clip import Clip, open_clip
from lumde.jobs.metres import UnfitMotion
from lumde.media.poses import write_tum
from lumde.models import DepthModel, load, save, scaled


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


@pytest.mark.parametrize(
    ("errors", "kept"),
    [
        ((0.1, 0.1, 0.1, 0.1), True),
        ((0.24, 0.18, 0.24, 0.18), True),  # 5 % more, which may be chance
        ((0.212, 0.21, 0.208, 0.21), False),  # 5 % more, everywhere
        ((math.nan, 0.1, 0.1, 0.1), False),
    ],
)
def test_depth_may_not_get_worse_at_corners(clip, start, tmp_path, monkeypatch, errors, kept):
    scored(monkeypatch, 0.1, 0.05, flat=0.2)
    both = ((0.2, 0.2, 0.2, 0.2), errors)
    found = iter([job.CornerScore(float(np.mean(each)), 0.01, 90.0, each) for each in both])
    monkeypatch.setattr(job.Corners, "score", lambda *_: next(found))
    assert adapted(clip, start, tmp_path / "run") == 0
    verdict = json.loads((tmp_path / "run" / "adaptation.json").read_text())
    assert verdict["adapted"] is kept and verdict["corners_before"]["abs_rel"] == pytest.approx(0.2)
    assert f"off by 20.0% before, {np.mean(errors):.1%} after" in verdict["reason"]
    assert ("by a worse depth" in verdict["reason"]) is not kept


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
        [key.position for key in Clip(clip, (48, 64), False, False)._frames(3, held_out).targets]
        for held_out in (True, False)
    )
    assert held == list(range(24, 30)) and learned == [*range(21), *range(33, 44)]


def test_short_sequences_share_their_blocks(clip, tmp_path):
    """Of 14, 14 and 16 frames laid end to end, 24 to 29 are four of the second's and two of the third's."""
    pictures = sorted(clip.iterdir())
    for name, part in (("a", pictures[:14]), ("b", pictures[14:28]), ("c", pictures[28:])):
        (tmp_path / name / "image").mkdir(parents=True)
        for picture in part:
            shutil.copy(picture, tmp_path / name / "image")
    held = Clip(tmp_path, (48, 64), False, False)._frames(1, True).targets
    assert [(key.sequence, key.position) for key in held] == [
        *(("b", position) for position in range(10, 14)),
        ("c", 0),
        ("c", 1),
    ]


def test_a_slow_camera_is_seen_at_frames_farther_apart(start, monkeypatch):
    """Neighbours that hardly differ are no reason to stop looking."""
    asked = []

    def snippets_at(distance):
        asked.append(distance)
        if distance in (1, 8):
            raise NothingUsable(f"nothing at {distance}")

    monkeypatch.setattr(parallax, "score_clip", lambda *_: job.ClipScore(0.1, 0.2, 0.3, 0.4, 1.0, 8))
    assert parallax.survey(torch.ones_like, snippets_at)[0] == 2 and asked == list(DISTANCES)

    def nothing(distance):
        raise NothingUsable(f"nothing at {distance}")

    with pytest.raises(NothingUsable, match="nothing at 1"):
        parallax.survey(torch.ones_like, nothing)


def test_frames_that_cannot_be_read_are_no_lack_of_motion(clip, start, tmp_path, capsys):
    folder = tmp_path / "damaged" / "image"
    folder.mkdir(parents=True)
    for picture in clip.iterdir():
        shutil.copy(picture, folder)
    for name in ("025.png", "027.png"):
        (folder / name).write_bytes(b"no picture")
    command = ["adapt", str(folder.parent), "--model", str(start), "--out", str(tmp_path / "run")]
    assert main(command) == 3
    assert "025.png" in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_loose_pictures_with_recorded_motion_are_a_dataset(clip, start, tmp_path, capsys):
    folder = tmp_path / "loose"
    shutil.copytree(clip, folder)
    (folder / "mask").mkdir()
    assert adapted(folder, start, tmp_path / "run") == 2
    assert "is a dataset folder" in capsys.readouterr().err


def test_poses_of_some_sequences_alone_are_told(clip, start, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(clip, tmp_path / "data" / name / "image")
    write_tum(tmp_path / "data" / "a" / "groundtruth.txt", np.arange(44.0), np.tile(np.eye(4), (44, 1, 1)))
    said = []
    clip = open_clip(tmp_path / "data", load(start), said.append)
    assert not clip.posed and "1 of 2 sequences have recorded poses" in said[0]


@pytest.mark.parametrize(("errors", "taken"), [((0.10, 0.099, 0.098), 0), ((0.10, 0.096, 0.08), 2)])
def test_an_earlier_state_is_taken_if_it_is_clearly_better(start, tmp_path, monkeypatch, errors, taken):
    """Newest first: the trained network, then its checkpoints; the newest of those is that very network."""
    states = [load(start) for _ in errors]
    for state, step in zip(states, (30, 20, 10), strict=True):
        with torch.no_grad():
            next(iter(state.net.parameters())).fill_(float(step))
        save(state, tmp_path / "checkpoints" / f"step-{step}")
    states[0].config.training = {"method": "x"}  # checkpoints are written before it is known
    told = {30.0: errors[0], 20.0: errors[1], 10.0: errors[2]}

    def score(disparity, _):
        weight = float(next(iter(disparity.__self__.net.parameters())).detach().flatten()[0])
        return SimpleNamespace(error=told[weight])

    monkeypatch.setattr(job, "score_clip", score)
    best, said = job._best_state(states[0], tmp_path, Snippets.__new__(Snippets))
    assert float(next(iter(best.net.parameters())).flatten()[0]) == (30.0, 20.0, 10.0)[taken]
    assert ("taken as it was at step-10" in said) == bool(taken)
    assert best.config.training == {"method": "x"} | ({"state": "step-10"} if taken else {})


def test_a_scale_that_is_lost_in_training_keeps_the_start(clip, start, tmp_path, monkeypatch):
    def lost(*_):
        raise UnfitMotion("recorded poses: their scale changes")

    scored(monkeypatch, 0.1, 0.05, flat=0.2)
    monkeypatch.setattr(job, "_fed_as", lost)
    assert adapted(clip, start, tmp_path / "run") == 0
    verdict = json.loads((tmp_path / "run" / "adaptation.json").read_text())
    assert not verdict["adapted"] and "not kept: after training, recorded poses" in verdict["reason"]
    assert same_weights(start, tmp_path / "run" / "model")


def test_what_cannot_be_adapted_is_refused_at_once(clip, start, tmp_path, monkeypatch, capsys):
    model = load(start)
    save(DepthModel(replace(model.config, affine=True), model.net), tmp_path / "affine")
    assert adapted(clip, tmp_path / "affine", tmp_path / "run") == 2
    assert "unknown shift" in capsys.readouterr().err
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert adapted(clip, start, ".") == 2
    assert "--out runs/adapted" in capsys.readouterr().err


def test_a_file_of_the_users_is_not_taken_for_the_config(clip, start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adapt").write_text("#!/bin/sh\n")
    assert adapted(clip, start, "run") == 0
