import pytest
import torch
from torch import nn

from lumde.losses.statistics import seen_by, statistics_gap


def test_gap_equals_its_loop():
    torch.manual_seed(0)
    layers = [nn.BatchNorm2d(3).eval(), nn.BatchNorm2d(2).eval()]
    for layer in layers:
        layer.running_mean.normal_()
        layer.running_var.uniform_(0.5, 2.0)
    maps = [torch.randn(2, 3, 4, 5), torch.randn(2, 2, 3, 3)]
    gaps = []
    for layer, x in zip(layers, maps, strict=True):
        channels = []
        for c in range(x.shape[1]):
            values = x[:, c].flatten().tolist()
            mean = sum(values) / len(values)
            variance = sum((v - mean) ** 2 for v in values) / len(values)
            stored_mean, stored = float(layer.running_mean[c]), float(layer.running_var[c])
            spread = stored + layer.eps
            channels.append((mean - stored_mean) ** 2 / spread + ((variance - stored) / spread) ** 2)
        gaps.append(sum(channels) / len(channels))
    found = statistics_gap(zip(layers, maps, strict=True)).item()
    assert found == pytest.approx(sum(gaps) / len(gaps), rel=1e-4)


def test_what_the_layers_learned_from_has_no_gap():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=1.0), nn.ReLU())
    pictures = torch.rand(8, 3, 16, 16)
    net.train()(pictures)
    net.eval()
    with seen_by([net[1]]) as seen:
        net(pictures)
    assert statistics_gap(seen).item() < 1e-3
    with seen_by([net[1]]) as seen:
        net(pictures.square())
    assert statistics_gap(seen).item() > 0.05
    assert not net[1]._forward_pre_hooks  # nothing stays behind


def test_gradient_reaches_the_pictures_and_not_the_layers():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval().requires_grad_(False)
    pictures = torch.rand(2, 3, 8, 8, requires_grad=True)
    with seen_by([net[1]]) as seen:
        net(pictures)
    statistics_gap(seen).backward()
    assert pictures.grad.abs().sum() > 0
    assert all(p.grad is None for p in net.parameters())


def test_gradient_is_that_of_finite_differences():
    torch.manual_seed(2)
    layers = [nn.BatchNorm2d(3).double().eval(), nn.BatchNorm2d(2).double().eval()]
    for layer in layers:
        layer.running_mean.normal_()
        layer.running_var.uniform_(0.5, 2.0)
    maps = [torch.randn(2, 3, 4, 5), torch.randn(2, 2, 3, 3)]
    inputs = tuple(x.double().requires_grad_() for x in maps)
    # Statistics are of single precision, whatever the maps are: wider differences see less of its rounding.
    gap = lambda *maps: statistics_gap(zip(layers, maps, strict=True))  # noqa: E731
    assert torch.autograd.gradcheck(gap, inputs, eps=1e-2, atol=5e-5)
