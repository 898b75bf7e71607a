"""Evaluation without ground truth, from the command line."""

import json
import math
from dataclasses import replace

import pytest

from lumde.cli import main
from lumde.data.frames import Frames
from lumde.data.synthetic import Synthetic
from lumde.evaluators.parallax import ClipScore
from lumde.jobs.clip_score import clip_line, clip_score
from lumde.models import DepthModel, load, save


def test_a_clip_without_truth_is_scored(clip, start, tmp_path, capsys):
    out = tmp_path / "score.json"
    command = ["evaluate", str(start), "--data", "frames", "--root", str(clip), "--json", str(out)]
    assert main(command) == 0
    score = json.loads(out.read_text())["clip"]
    assert 0 < score["error"] <= score["unmoved"] < 1 and score["parallax"] > 0 and score["count"] == 12
    said = capsys.readouterr().out
    assert "without truth" in said and f"{score['error']:.4f}" in said
    assert score["travels"] is ("tells nothing of depth" not in said)
    told = {"abs_rel": 0.213, "drift": math.log(1.021), "points": 88.4, "errors": [0.213] * 9}
    line = clip_line({**score, "travels": True, "corners": told, "joint": 0.1})
    assert "joint score 0.1000" in line
    assert "off by 21%" in line and "88 in each of 9 frames" in line and "changes by 2.1%" in line
    assert "cannot be told: too few corners" in clip_line({**score, "travels": True, "corners": None})
    still = clip_line({**score, "travel": 0.01, "travels": False})
    assert "travel explains 1%" in still and "hardly travels, so this tells nothing of depth" in still


def test_a_damaged_picture_is_left_out_and_many_are_named(clip, start, tmp_path, capsys):
    folder = tmp_path / "damaged"
    folder.mkdir()
    for picture in clip.iterdir():
        (folder / picture.name).write_bytes(picture.read_bytes())
    dataset = Frames(Frames.Config(root=str(folder)))
    whole = clip_score(start, dataset)
    first = sorted(folder.iterdir())[whole["distance"]]  # with two neighbours
    first.write_bytes(b"no picture")
    assert clip_score(start, Frames(Frames.Config(root=str(folder))))["count"] == whole["count"] - 1
    for picture in folder.iterdir():
        picture.write_bytes(b"no picture")
    assert main(["evaluate", str(start), "--data", "frames", "--root", str(folder)]) == 3
    assert ".png" in capsys.readouterr().err


def test_of_no_error_travel_explains_nothing():
    assert ClipScore(1e-8, 2e-8, 4e-8, 4e-8, 0.0, 8).travel < 0.001
    assert ClipScore(0.1, 0.2, 0.4, 0.5, 2.0, 8).travel == pytest.approx(0.75)


def test_a_clip_that_travels_tells_how_far_off_depth_is(start, tmp_path):
    room = Synthetic(Synthetic.Config(families=("rooms",), worlds=1, frames=24, height=96, width=160, seed=3))
    told = clip_score(start, room)
    assert len(told["corners"]["errors"]) >= 3 and told["corners"]["points"] >= 12
    assert 0.02 < told["corners"]["abs_rel"] < 1
    assert told["joint"] == pytest.approx(math.sqrt(told["error"] * told["corners"]["abs_rel"]))
    shifted = load(start)
    save(DepthModel(replace(shifted.config, affine=True, unit="relative"), shifted.net), tmp_path / "affine")
    blind = clip_score(tmp_path / "affine", room)
    assert blind["corners"] is None and blind["joint"] is None
    assert "unknown shift" in clip_line({**blind, "travels": True})


def test_single_pictures_have_no_such_score(start, clip):
    stills = Synthetic(Synthetic.Config(test_set="rooms-v1", worlds=1, height=32, width=64))
    assert clip_score(start, stills) is None
    assert clip_score(start, Frames(Frames.Config(root=str(clip), frames="0:1"))) is None
