"""From a config to numbers and depth maps, through the program alone."""

import json
from pathlib import Path

import pytest
from PIL import Image

from lumde import cli
from lumde.data.synthetic import Synthetic
from lumde.worlds import VERSION

CONFIG = """
method: {name: supervised, gradient_weight: 0.0}
student: {name: depth_small, size: tiny, scales: 1, min_depth: 1.0, start_depth: 12.0}
data: {name: synthetic, worlds: 4, frames: 8, height: 32, width: 96}
snippets: {height: 32, width: 96}
loader: {batch: 4}
optimizer: {rate: 1.0e-2}
loop: {steps: 60, device: cpu, precision: fp32, log_every_steps: 10}
"""


def test_train_evaluate_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG)
    assert cli.main(["train", "config.yaml", "--out", "run", "--json", "result.json"]) == 0
    assert json.loads(Path("result.json").read_text())["steps"] == 60
    losses = [json.loads(line)["loss"] for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.7 * losses[0]

    unseen = "--option worlds=1 --option height=32 --option width=96"
    assert cli.main(f"evaluate run --data synthetic {unseen} --json eval.json".split()) == 0
    result = json.loads(Path("eval.json").read_text())
    assert result["metrics"]["abs_rel"] < 0.8 * result["trivial"]["constant_depth"]["abs_rel"]
    assert result["generator"] == VERSION
    assert not result["complete"]  # one world of 32

    drive = Synthetic(Synthetic.Config(worlds=1, frames=2, height=32, width=96, seed=7))
    Path("drive").mkdir()
    for key in drive.targets:
        Image.fromarray(drive.read(key).image).save(f"drive/{key.name}.png")
    assert cli.main(["predict", "drive", "--model", "run", "--out", "depth", "--fov", "90"]) == 0
    index = json.loads(Path("depth/index.json").read_text())
    assert (index["unit"], index["size"], len(index["frames"])) == ("metres", [96, 32], 2)
    assert sorted(path.name for path in Path("depth/depth").iterdir()) == ["000.png", "001.png"]
