"""Loop-written oracles of the whole-map distances, numbers by hand, gradients."""

import math
from functools import partial

import pytest
import torch
from depth_maps import inputs

from lumde.losses.imitation import affine_invariant, scale_invariant, structural, three_term

SHAPES = [(1, 1, 1), (2, 4, 3), (1, 9, 17)]
LOSSES = [three_term, scale_invariant, affine_invariant, structural]


def known(target, valid, i):
    _, _, h, w = target.shape
    return [
        (y, x)
        for y in range(h)
        for x in range(w)
        if target[i, 0, y, x] > 0 and (valid is None or valid[i, 0, y, x])
    ]


def mean(values):
    return sum(values) / len(values) if values else 0.0


def loop_three_term(pred, target, valid):
    b, _, h, w = target.shape
    errors, slopes, angles = [], [], []
    sobel = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))
    for i in range(b):
        used = set(known(target, valid, i))
        for y, x in used:
            errors.append(math.log(abs(float(pred[i, 0, y, x] - target[i, 0, y, x])) + 0.5))
            around = [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
            if not set(around) <= used:
                continue
            slope = {}
            for name, depth in (("d", pred), ("g", target)):
                for axis in "xy":
                    slope[name + axis] = sum(
                        float(depth[i, 0, y + dy, x + dx])
                        * (sobel[dy + 1][dx + 1] if axis == "x" else sobel[dx + 1][dy + 1])
                        for dy in (-1, 0, 1)
                        for dx in (-1, 0, 1)
                    )
            slopes.append(sum(math.log(abs(slope["d" + axis] - slope["g" + axis]) + 0.5) for axis in "xy"))
            normals = [(-slope[name + "x"], -slope[name + "y"], 1.0) for name in "dg"]
            dot = sum(a * c for a, c in zip(*normals, strict=True))
            angles.append(abs(1 - dot / math.prod(math.hypot(*normal) for normal in normals)))
    return mean(errors) + mean(slopes) + mean(angles)


def loop_scale_invariant(pred, target, valid, share=0.5):
    losses = []
    for i in range(len(pred)):
        errors = [
            math.log(float(pred[i, 0, y, x])) - math.log(float(target[i, 0, y, x]))
            for y, x in known(target, valid, i)
        ]
        losses.append(mean([e * e for e in errors]) - share * mean(errors) ** 2)
    return mean(losses)


def loop_affine_invariant(pred, target, valid):
    differences = []
    for i in range(len(pred)):
        places = known(target, valid, i)
        maps = []
        for depth in (pred, target):
            values = [1 / float(depth[i, 0, y, x]) for y, x in places]
            middle = sorted(values)[(len(values) - 1) // 2] if values else 0.0
            spread = max(mean([abs(v - middle) for v in values]), 1e-6)
            maps.append([(v - middle) / spread for v in values])
        differences += [abs(a - c) for a, c in zip(*maps, strict=True)]
    return mean(differences)


def as_the_paper_has_it(pred, target, valid=None):
    """Of metres, with the absolute covariance."""
    return structural(pred, target, valid, normalise=False)


def loop_structural(pred, target, valid, normalise=True):
    b, _, h, w = target.shape
    values = []
    weights = [math.exp(-0.5 * (k / 1.5) ** 2) for k in range(-5, 6)]
    weights = [weight / sum(weights) for weight in weights]
    for i in range(b):
        used = set(known(target, valid, i))
        largest = max((float(target[i, 0, y, x]) for y, x in used), default=1e-6) if normalise else 1.0
        fill = mean([float(target[i, 0, y, x]) for y, x in used])
        theirs, ours = (
            [[float(depth[i, 0, y, x]) if (y, x) in used else fill for x in range(w)] for y in range(h)]
            for depth in (target, pred)
        )
        for y, x in used:
            sums = dict.fromkeys(["a", "b", "aa", "bb", "ab"], 0.0)
            for dy in range(-5, 6):
                for dx in range(-5, 6):
                    row, column = min(max(y + dy, 0), h - 1), min(max(x + dx, 0), w - 1)
                    weight = weights[dy + 5] * weights[dx + 5]
                    p, t = ours[row][column] / largest, theirs[row][column] / largest
                    for name, value in (("a", p), ("b", t), ("aa", p * p), ("bb", t * t), ("ab", p * t)):
                        sums[name] += weight * value
            var_a, var_b = abs(sums["aa"] - sums["a"] ** 2), abs(sums["bb"] - sums["b"] ** 2)
            cov = sums["ab"] - sums["a"] * sums["b"]
            cov = cov if normalise else abs(cov)
            likeness = (2 * sums["a"] * sums["b"] + 1e-4) * (2 * cov + 9e-4)
            values.append(1 - likeness / ((sums["a"] ** 2 + sums["b"] ** 2 + 1e-4) * (var_a + var_b + 9e-4)))
    return mean(values)


ORACLES = {
    three_term: loop_three_term,
    scale_invariant: loop_scale_invariant,
    affine_invariant: loop_affine_invariant,
    structural: loop_structural,
    as_the_paper_has_it: partial(loop_structural, normalise=False),
}


@pytest.mark.parametrize("loss", ORACLES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("masked", [False, True])
def test_losses_equal_their_loops(loss, shape, masked):
    pred, target, valid = inputs(*shape)
    valid = valid if masked else None
    assert loss(pred, target, valid).item() == pytest.approx(ORACLES[loss](pred, target, valid), abs=1e-9)


@pytest.mark.parametrize("loss", ORACLES)
def test_gradients(loss):
    pred, target, valid = inputs(2, 5, 6, seed=3)
    torch.autograd.gradcheck(lambda depth: loss(depth, target, valid), pred.requires_grad_(), atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_without_measurements_nothing_pulls(loss):
    pred = torch.rand(1, 1, 6, 8).add(1).requires_grad_()
    value = loss(pred, torch.zeros(1, 1, 6, 8))
    value.backward()
    assert value.item() == 0 and not pred.grad.any()


def test_equal_maps_cost_the_least():
    pred, _, _ = inputs(1, 8, 8)
    assert three_term(pred, pred).item() == pytest.approx(3 * math.log(0.5))
    for loss in (scale_invariant, affine_invariant, structural):
        assert loss(pred, pred).item() == pytest.approx(0, abs=1e-9)


def test_pictures_without_a_measurement_do_not_thin_the_others():
    pred, target, _ = inputs(1, 5, 6)
    alone = scale_invariant(pred, target)
    empty = torch.cat([target, torch.zeros_like(target)])
    torch.testing.assert_close(scale_invariant(torch.cat([pred, pred]), empty), alone)
    assert scale_invariant(pred, torch.zeros_like(target)) == 0


def test_what_each_loss_forgives():
    pred, target, _ = inputs(1, 8, 8)
    assert scale_invariant(3 * target, target, share=1.0).item() == pytest.approx(0, abs=1e-9)
    assert scale_invariant(3 * target, target).item() == pytest.approx(0.5 * math.log(3) ** 2)
    shifted = 1 / (0.4 / target + 0.7)
    assert affine_invariant(shifted, target).item() == pytest.approx(0, abs=1e-9)
    assert structural(1000 * pred, 1000 * target).item() == pytest.approx(structural(pred, target).item())


def test_relief_turned_inside_out_costs_more_than_none_but_in_the_papers_program():
    bumps = torch.rand(1, 1, 24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.5
    target, flat, inverted = 4 + 2 * bumps, torch.full_like(bumps, 4.0), 4 - 2 * bumps
    assert structural(inverted, target) > structural(flat, target) > structural(target, target)
    assert structural(inverted, target, normalise=False) < structural(flat, target, normalise=False)
