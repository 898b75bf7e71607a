"""Contract of every pose network."""

import pytest
import torch

from lumde.nets import POSE_NETS
from lumde.nets.base import pooled_motion


def made(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return POSE_NETS[name](POSE_NETS[name].Config())


@pytest.mark.parametrize("name", POSE_NETS)
def test_any_size_gives_one_motion_per_pair(name):
    net = made(name).eval()
    for b, height, width in ((1, 64, 96), (3, 37, 61)):
        axis_angle, translation = net(torch.rand(b, 3, height, width), torch.rand(b, 3, height, width))
        assert axis_angle.shape == translation.shape == (b, 3)


@pytest.mark.parametrize("name", POSE_NETS)
def test_first_motions_are_small_and_fp32(name):
    net = made(name).train()
    with torch.autocast("cpu", torch.bfloat16):
        axis_angle, translation = net(torch.rand(4, 3, 64, 96), torch.rand(4, 3, 64, 96))
    assert axis_angle.dtype == translation.dtype == torch.float32
    assert axis_angle.abs().max() < 0.1 and translation.abs().max() < 0.1


@pytest.mark.parametrize("name", POSE_NETS)
def test_the_order_of_the_pair_matters_and_every_parameter_learns(name):
    net = made(name).train()
    first, second = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    axis_angle, translation = net(first, second)
    assert not torch.allclose(translation, net(second, first)[1])
    (axis_angle.sum() + translation.sum()).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_motion_is_a_hundredth_of_the_mean():
    values = torch.zeros(1, 12, 2, 2)
    values[0, :, 0, 0] = torch.arange(12.0)  # mean over the four pixels: a quarter
    axis_angle, translation = pooled_motion(values)
    torch.testing.assert_close(axis_angle, torch.tensor([[0.0, 0.0025, 0.005]]))
    torch.testing.assert_close(translation, torch.tensor([[0.0075, 0.01, 0.0125]]))
