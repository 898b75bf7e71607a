import math

import pytest
import torch

from lumde.losses.probability import depth_distribution, distribution_distance


def loop_distribution(depth, centres, sigma, target, logarithmic):
    places = [math.log(c) if logarithmic else c for c in centres]
    middle = math.log(depth) if logarithmic else depth
    densities = [
        math.exp(-0.5 * ((place - middle) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
        for place in places
    ]
    if target == "density":
        return [density / sum(densities) for density in densities]
    powers = [math.exp(-1000.0 if density < 1e-16 else density) for density in densities]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize("target", ["density", "softmax_of_density"])
@pytest.mark.parametrize("logarithmic", [True, False])
@pytest.mark.parametrize("sigma", [0.1, 0.5])
def test_distributions_equal_their_loop(target, logarithmic, sigma):
    centres = torch.tensor([0.5, 1.0, 2.0, 4.0, 8.0], dtype=torch.float64)
    depth = torch.tensor([0.7, 1.0, 3.3, 8.0], dtype=torch.float64).view(1, 1, 2, 2)
    found = depth_distribution(depth, centres, sigma, target, logarithmic).flatten(2)[0]
    for i, value in enumerate(depth.flatten().tolist()):
        expected = loop_distribution(value, centres.tolist(), sigma, target, logarithmic)
        torch.testing.assert_close(found[:, i], torch.tensor(expected, dtype=torch.float64))


def test_a_depth_between_two_bins_belongs_to_both_alike():
    centres = torch.tensor([1.0, 4.0])
    halves = depth_distribution(torch.full((1, 1, 1, 1), 2.0), centres, 0.3)
    torch.testing.assert_close(halves.flatten(), torch.tensor([0.5, 0.5]))


def test_the_papers_target_is_nearly_flat():
    """A softmax of densities: no bin within reach gets more than e^.8 times the share of another."""
    centres = torch.linspace(1e-3, 80.0, 257)
    share = depth_distribution(torch.full((1, 1, 1, 1), 40.0), centres, 0.5, "softmax_of_density", False)
    seen = share[share > 1e-6]
    assert 20 < len(seen) < 40 and seen.max() / seen.min() < math.exp(0.8)


def test_distance_by_hand_and_mask():
    target = torch.tensor([0.5, 0.5, 1.0, 0.0]).view(1, 2, 2).transpose(1, 2).reshape(1, 2, 1, 2)
    pred = torch.tensor([0.25, 0.75, 0.5, 0.5]).view(1, 2, 2).transpose(1, 2).reshape(1, 2, 1, 2)
    first, second = 0.5 * math.log(2) + 0.5 * math.log(2 / 3), math.log(2)
    assert distribution_distance(pred, target).item() == pytest.approx((first + second) / 2, abs=1e-6)
    only_first = torch.tensor([True, False]).view(1, 1, 1, 2)
    assert distribution_distance(pred, target, only_first).item() == pytest.approx(first, abs=1e-6)
    assert distribution_distance(target, target).item() == pytest.approx(0, abs=1e-6)


def test_gradient():
    logits = torch.randn(1, 5, 2, 3, dtype=torch.float64, requires_grad=True)
    target = torch.randn(1, 5, 2, 3, dtype=torch.float64).softmax(1)
    torch.autograd.gradcheck(lambda x: distribution_distance(x.softmax(1), target), logits)
