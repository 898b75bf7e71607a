"""Evaluation without ground truth, from the command line."""

import json

from lumde.cli import main
from lumde.data.frames import Frames
from lumde.data.synthetic import Synthetic
from lumde.jobs.clip_score import clip_score


def test_a_clip_without_truth_is_scored(clip, start, tmp_path, capsys):
    out = tmp_path / "score.json"
    command = ["evaluate", str(start), "--data", "frames", "--root", str(clip), "--json", str(out)]
    assert main(command) == 0
    score = json.loads(out.read_text())["clip"]
    assert 0 < score["error"] <= score["unmoved"] < 1 and score["parallax"] > 0 and score["count"] == 12
    said = capsys.readouterr().out
    assert "without truth" in said and f"{score['error']:.4f}" in said


def test_single_pictures_have_no_such_score(start, clip):
    stills = Synthetic(Synthetic.Config(test_set="rooms-v1", worlds=1, height=32, width=64))
    assert clip_score(start, stills) is None
    assert clip_score(start, Frames(Frames.Config(root=str(clip), frames="0:1"))) is None
