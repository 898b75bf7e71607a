"""The ResNet-18 networks against the reference's figures, through the published weight names."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from lumde.nets import DepthResnet, PoseResnet

HERE = Path(__file__).parent


def filled(keys: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """Weights by the rule of the golden figures, so that no weight file has to be shipped."""
    state = {}
    for name in sorted(keys):
        generator = torch.Generator().manual_seed(zlib.crc32(f"7:{name}".encode()))
        x = torch.randn(keys[name], generator=generator)
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros((), dtype=torch.int64)
        elif x.dim() >= 2:
            state[name] = x / np.sqrt(np.prod(keys[name][1:]))
        elif name.endswith("running_var"):
            state[name] = 1 + 0.1 * x.abs()
        elif name.endswith(("running_mean", "bias")):
            state[name] = 0.1 * x
        else:
            state[name] = 1 + 0.1 * x
    return {name: value for name, value in state.items() if not name.startswith("encoder.fc.")}


@pytest.fixture(scope="module")
def keys() -> dict[str, dict[str, list[int]]]:
    return json.loads((HERE / "keys.json").read_text())


@pytest.fixture(scope="module")
def figures() -> dict[str, torch.Tensor]:
    with np.load(HERE / "networks.npz") as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored.files}


def test_depth_network_equals_the_reference(keys, figures):
    net = DepthResnet(DepthResnet.Config(layers=18)).eval()
    net.load_state_dict(filled({**keys["encoder"], **keys["depth"]}))  # strict: names and shapes are equal
    with torch.no_grad():
        disps = net(figures["image"]).disps
    assert len(disps) == 4
    for scale, disp in enumerate(disps):
        torch.testing.assert_close(disp, figures[f"disp_{scale}"], atol=1e-5, rtol=0)


def test_pose_network_equals_the_reference(keys, figures):
    net = PoseResnet(PoseResnet.Config(layers=18)).eval()
    net.load_state_dict(filled({**keys["pose_encoder"], **keys["pose"]}))
    with torch.no_grad():
        axis_angle, translation = net(figures["previous"], figures["image"])
    torch.testing.assert_close(axis_angle, figures["axis_angle"][:, 0, 0], atol=1e-5, rtol=0)
    torch.testing.assert_close(translation, figures["translation"][:, 0, 0], atol=1e-5, rtol=0)


def test_the_figures_notice_zero_padding(keys, figures):
    net = DepthResnet(DepthResnet.Config(layers=18)).eval()
    net.load_state_dict(filled({**keys["encoder"], **keys["depth"]}))
    for module in net.decoder.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.padding_mode = "zeros"
    with torch.no_grad():
        disp = net(figures["image"]).disp
    assert (disp - figures["disp_0"]).abs().max() > 1e-3
