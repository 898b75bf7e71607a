"""Frequent mistakes end with one message, the right exit code and nothing half-written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lumde import cli
from lumde.models import DepthModel, ModelConfig, build_net, save
from lumde.nets.depth_small import DepthSmall

CONFIG = """
method: {name: photometric, pose: {name: pose_small}}
student: {name: depth_small, size: tiny}
data: {name: frames, root: drive}
snippets: {height: 32, width: 64}
loop: {steps: 2}
"""


def picture(path: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (48, 96, 3), np.uint8)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a good and a damaged example of everything."""
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG)
    Path("empty").mkdir()
    picture("good.jpg")
    for name in "abcd":
        picture(f"drive/image/{name}.png")
    Path("cut.jpg").write_bytes(Path("good.jpg").read_bytes()[:600])
    Path("page.jpg").write_text("<html>not found</html>")
    Path("normalised.txt").write_text("0.58 1.92 0.5 0.5\n")
    Path("other_size.txt").write_text("721.5 721.5 609.6 172.9\n")
    Path("wide.yaml").write_text("loop: {steps: 2\n")
    save(DepthModel(ModelConfig(net=NET, height=32, width=64), build_net(NET)), Path("model"))
    save(DepthModel(ModelConfig(net=NET, height=32, width=64), build_net(NET)), Path("damaged"))
    weights = bytearray(Path("damaged/model.safetensors").read_bytes())
    weights[-1000] ^= 4
    Path("damaged/model.safetensors").write_bytes(weights)
    Path("full").mkdir()
    Path("full/mine.txt").touch()


NET = DepthSmall.Config(name="depth_small", size="tiny")
PREDICT = "predict {} --model model --out out"


@pytest.mark.parametrize(
    ("command", "code", "named"),
    [
        (PREDICT.format("nowhere.jpg"), 3, "nowhere.jpg"),
        (PREDICT.format("cut.jpg"), 3, "cut.jpg"),
        (PREDICT.format("page.jpg"), 3, "page.jpg"),
        (PREDICT.format("empty"), 3, "empty"),
        (PREDICT.format("good.jpg") + " --camera normalised.txt", 3, "normalised"),
        (PREDICT.format("good.jpg") + " --camera other_size.txt", 3, "other_size.txt"),
        (PREDICT.format("good.jpg") + " --camera none.txt", 3, "none.txt"),
        (PREDICT.format("good.jpg") + " --save png61", 2, "png16"),
        ("predict good.jpg --model empty --out out", 4, "empty"),
        ("predict good.jpg --model damaged --out out", 4, "damaged"),
        ("predict good.jpg --model model --out full", 2, "full"),
        ("train config.yaml loop.stpes=3 --out out", 2, "did you mean 'steps'"),
        ("train config.yaml method.name=photometrik --out out", 2, "did you mean 'photometric'"),
        ("train config.yaml snippets.height=0 --out out", 2, "snippets"),
        ("train config.yaml data.root=nowhere --out out", 3, "nowhere"),
        ("train config.yaml data.root=empty --out out", 3, "empty"),
        ("train wide.yaml --out out", 2, "wide.yaml:"),
        ("train config.yaml --out full", 2, "full"),
        ("train missing.yaml --out out", 2, "missing.yaml"),
        ("prepare empty --out out", 3, "empty"),
        ("prepare cut.jpg --out out", 3, "cut.jpg"),
        ("prepare good.jpg --out full", 2, "full"),
        ("evaluate model --data frame --root drive", 2, "did you mean 'frames'"),
        ("evaluate model --data frames --root drive --frames 0:1", 3, "no ground-truth depth"),
        ("evaluate damaged --data frames --root drive", 4, "damaged"),
        ("convert empty --out out", 4, "empty"),
    ],
)
def test_a_mistake_is_one_message(
    command: str, code: int, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(command.split()) == code
    told = capsys.readouterr()
    assert told.out == ""
    message = told.err.rpartition("lumde: error: ")
    assert message[1]
    assert named in message[2]
    assert "Traceback" not in told.err
    assert not Path("out").exists() or list(Path("out").iterdir()) == []
    assert list(Path("full").iterdir()) == [Path("full/mine.txt")]
