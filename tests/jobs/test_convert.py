"""Monodepth2-format weights -> model folder by names and shapes; what does not fit leaves nothing behind."""

import os

import pytest
import torch
from safetensors.torch import load_file

from lumde.cli import main
from lumde.errors import CheckpointError, UsageError
from lumde.jobs import convert as job
from lumde.jobs.convert import convert
from lumde.models import build_pose_net, load
from lumde.nets import DepthResnet, PoseResnet
from lumde.nets.weights import ForeignFile
from lumde.nets.weights_child import read
from lumde.teachers.run import RunTeacher


@pytest.fixture(scope="module")
def states():
    """Tensors of the four files, as Monodepth2 names them."""
    torch.manual_seed(0)
    depth = DepthResnet(DepthResnet.Config()).state_dict()
    pose = PoseResnet(PoseResnet.Config()).state_dict()
    classifier = {"encoder.fc.weight": torch.zeros(1000, 512), "encoder.fc.bias": torch.zeros(1000)}

    def part(state, start):
        return {name: tensor for name, tensor in state.items() if name.startswith(start)}

    return {
        "encoder.pth": {
            **part(depth, "encoder."),
            **classifier,
            "height": 64,
            "width": 96,
            "use_stereo": False,
        },
        "depth.pth": part(depth, "decoder."),
        "pose_encoder.pth": {**part(pose, "encoder."), **classifier},
        "pose.pth": part(pose, "net."),
    }


@pytest.fixture
def foreign(states, tmp_path):
    folder = tmp_path / "foreign"
    folder.mkdir()
    for name, state in states.items():
        torch.save(state, folder / name)
    return folder


@pytest.fixture
def in_process(monkeypatch):
    """Read without the child, which costs a second; the child has its own tests."""
    monkeypatch.setattr(job, "read_foreign", lambda paths: [ForeignFile(*read(path)) for path in paths])


def test_the_program_converts_a_folder(foreign, states, tmp_path, capsys):
    out = tmp_path / "models" / "mono"
    out.parent.mkdir()
    assert main(["convert", str(foreign), "--out", str(out)]) == 0
    assert "ResNet-18, 96x64, unit relative" in capsys.readouterr().out
    model = load(out)
    net = DepthResnet(DepthResnet.Config()).eval()
    given = {**states["encoder.pth"], **states["depth.pth"]}
    net.load_state_dict({name: given[name] for name in net.state_dict()})
    image = torch.rand(1, 3, 64, 96)
    assert torch.equal(model.disparity(image), 1 / net.depth(net(image).disp))
    torch.testing.assert_close(
        RunTeacher(RunTeacher.Config(path=str(out))).depth(image), 1 / model.disparity(image)
    )
    pose = build_pose_net(PoseResnet.Config(init=str(out)))
    assert torch.equal(pose.net[3].weight, states["pose.pth"]["net.3.weight"])
    assert main(["convert", str(foreign), "--out", str(out)]) == UsageError.exit_code


def test_the_pose_network_is_optional_but_whole(foreign, tmp_path, in_process):
    (foreign / "pose.pth").unlink()
    with pytest.raises(CheckpointError, match=r"pose.pth missing"):
        convert(foreign, tmp_path / "out")
    (foreign / "pose_encoder.pth").unlink()
    convert(foreign, tmp_path / "out")
    assert not (tmp_path / "out" / "pose.safetensors").exists()
    assert len(load_file(tmp_path / "out" / "model.safetensors")) == 120 + 28  # without the classifier


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("encoder.pth", lambda s: s.pop("height"), "entries height and width"),
        ("encoder.pth", lambda s: s.update(width=10**9), "entries height and width"),
        ("encoder.pth", lambda s: s.update(width=True), "entries height and width"),
        ("depth.pth", lambda s: s.pop("decoder.3.conv.conv.bias"), "'decoder.3.conv.conv.bias' is missing"),
        ("depth.pth", lambda s: s.update(more=torch.zeros(1)), "'more' is not expected"),
        (
            "encoder.pth",
            lambda s: s.update({"encoder.bn1.bias": torch.zeros(9)}),
            r"is \(9,\), \(64,\) needed",
        ),
        ("pose.pth", lambda s: s.update({"net.0.bias": torch.full((256,), float("nan"))}), "non-finite"),
    ],
)
def test_what_does_not_fit_is_named(foreign, states, tmp_path, in_process, file, change, message):
    state = dict(states[file])
    change(state)
    torch.save(state, foreign / file)
    with pytest.raises(CheckpointError, match=message):
        convert(foreign, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["foreign"]


class Evil:
    """Writes a file when it is unpickled by a loader that runs code."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_code_in_a_file_does_not_run(foreign, states, tmp_path, capsys):
    torch.save({**states["depth.pth"], "x": Evil(tmp_path / "pwned")}, foreign / "depth.pth")
    assert main(["convert", str(foreign), "--out", str(tmp_path / "out")]) == CheckpointError.exit_code
    assert "depth.pth: refused" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["foreign"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        convert(tmp_path / "nowhere", tmp_path / "out")
