import math

import pytest
import torch
from depth_maps import inputs

from lumde.losses.pixelwise import aligned_log_l1, gradient_matching, inverse_l1, log_l1

SHAPES = [(1, 1, 1), (2, 4, 3), (1, 9, 17)]
LOSSES = [log_l1, aligned_log_l1, inverse_l1, gradient_matching]


def counted_pixels(target, valid):
    for index in torch.cartesian_prod(*(torch.arange(n) for n in target.shape)).tolist():
        if target[tuple(index)] > 0 and (valid is None or valid[tuple(index)]):
            yield tuple(index)


def loop_mean(pred, target, valid, distance):
    values = [distance(pred[i].item(), target[i].item()) for i in counted_pixels(target, valid)]
    return sum(values) / len(values) if values else 0.0


def loop_gradient_matching(pred, target, valid, scales=4):
    counted = set(counted_pixels(target, valid))
    b, _, h, w = target.shape
    total = 0.0
    for scale in range(scales):
        step = 2**scale
        for dy, dx in ((step, 0), (0, step)):
            values = []
            for i in range(b):
                for y in range(0, h, step):
                    for x in range(0, w, step):
                        here, there = (i, 0, y, x), (i, 0, y + dy, x + dx)
                        if here in counted and there in counted:
                            a = math.log(pred[here]) - math.log(target[here])
                            values.append(abs(a - math.log(pred[there]) + math.log(target[there])))
            total += sum(values) / len(values) if values else 0.0
    return total / scales


def test_log_l1_by_hand():
    pred, target = torch.tensor([[[[2.0, 3.0, 9.0]]]]), torch.tensor([[[[1.0, 6.0, 0.0]]]])
    assert log_l1(pred, target).item() == pytest.approx(math.log(2))


def test_aligned_log_l1_by_hand():
    """Ratios 2, 2, 8 have the median 2: one pixel is off by a factor of 4. Each map has its own."""
    pred = torch.tensor([[2.0, 4.0, 8.0, 5.0], [1.0, 1.0, 1.0, 1.0]]).view(2, 1, 1, 4)
    target = torch.tensor([[1.0, 2.0, 1.0, 0.0], [7.0, 7.0, 7.0, 7.0]]).view(2, 1, 1, 4)
    assert aligned_log_l1(pred, target).item() == pytest.approx(math.log(4) / 7)


def loop_aligned(pred, target, valid):
    """The least average |log difference| over one factor per map is at one of its ratios."""
    total, count = 0.0, 0
    for i in range(len(pred)):
        there = list(counted_pixels(target[i : i + 1], None if valid is None else valid[i : i + 1]))
        logs = [math.log(pred[i : i + 1][p] / target[i : i + 1][p]) for p in there]
        total += min((sum(abs(x - shift) for x in logs) for shift in logs), default=0.0)
        count += len(logs)
    return total / count if count else 0.0


def test_inverse_l1_by_hand():
    pred, target = torch.tensor([[[[2.0, 4.0, 9.0]]]]), torch.tensor([[[[1.0, 2.0, 0.0]]]])
    assert inverse_l1(pred, target).item() == pytest.approx((0.5 + 0.25) / 2)


def test_gradient_matching_by_hand():
    """Log differences 0, a, a: one step of a among two; the second scale sees 0 -> a."""
    factor = math.e**0.3
    pred, target = torch.tensor([[[[1.0, factor, factor]]]]), torch.ones(1, 1, 1, 3)
    assert gradient_matching(pred, target, scales=2).item() == pytest.approx((0.15 + 0.3) / 2)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("masked", [False, True])
def test_agree_with_loops(shape, masked):
    pred, target, valid = inputs(*shape)
    valid = valid if masked else None
    by_loop = {
        log_l1: loop_mean(pred, target, valid, lambda p, t: abs(math.log(p) - math.log(t))),
        aligned_log_l1: loop_aligned(pred, target, valid),
        inverse_l1: loop_mean(pred, target, valid, lambda p, t: abs(1 / p - 1 / t)),
        gradient_matching: loop_gradient_matching(pred, target, valid),
    }
    for loss, expected in by_loop.items():
        assert loss(pred, target, valid).item() == pytest.approx(expected, abs=1e-12), loss.__name__


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients(loss):
    pred, target, valid = inputs(2, 4, 5)
    assert torch.autograd.gradcheck(lambda p: loss(p, target, valid), pred.requires_grad_())


@pytest.mark.parametrize("loss", LOSSES)
def test_equal_maps_cost_nothing(loss):
    pred, _, _ = inputs(2, 4, 5)
    assert loss(pred, pred) == 0


@pytest.mark.parametrize("loss", [log_l1, inverse_l1])
def test_another_scale_costs_in_the_pointwise_losses(loss):
    pred, _, _ = inputs(2, 4, 5)
    assert loss(2 * pred, pred) > 0.1


@pytest.mark.parametrize("loss", [aligned_log_l1, gradient_matching])
def test_another_scale_is_free_in_the_losses_of_shape(loss):
    pred, _, _ = inputs(2, 4, 5)
    assert loss(2 * pred, pred) < 1e-12


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("unmeasured", [0.0, float("nan"), float("inf"), -1.0])
def test_unmeasured_pixels_enter_neither_loss_nor_gradient(loss, unmeasured):
    pred, _, _ = inputs(1, 6, 6)
    target = pred * 1.1
    target[0, 0, 2, 3] = unmeasured
    pred.requires_grad_()
    value = loss(pred, target)
    value.backward()
    assert value.isfinite()
    assert pred.grad.isfinite().all()
    assert pred.grad[0, 0, 2, 3] == 0


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_measured_is_zero_with_a_zero_gradient(loss):
    pred, target, _ = inputs(1, 4, 4)
    pred.requires_grad_()
    value = loss(pred, torch.zeros_like(target))
    value.backward()
    assert value == 0
    assert (pred.grad == 0).all()


def test_trimmed_log_l1_by_hand():
    """Of differences by factors 2, 3, 4 and 100 the worst quarter goes, in each picture by itself."""
    pred = torch.tensor([[2.0, 100.0, 3.0, 4.0, 9.0], [1.0, 1.0, 5.0, 1.0, 1.0]]).view(2, 1, 1, 5)
    target = torch.tensor([[1.0, 1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]]).view(2, 1, 1, 5)
    kept = [math.log(2), math.log(3), math.log(4), math.log(5)]  # a single pixel has no worst quarter
    assert log_l1(pred, target, trim=0.25).item() == pytest.approx(sum(kept) / 4)


@pytest.mark.parametrize("trim", [0.1, 0.3, 0.9])
def test_trimming_agrees_with_a_loop_and_teaches_nothing_of_what_is_left_out(trim):
    pred, target, valid = inputs(2, 9, 7)
    weight = torch.rand(pred.shape, dtype=pred.dtype, generator=torch.Generator().manual_seed(5))
    total, most, kept = 0.0, 0.0, set()
    for i in range(len(pred)):
        found = [p for p in counted_pixels(target, valid) if p[0] == i]
        found.sort(key=lambda p: abs(math.log(pred[p] / target[p])))
        for p in found[: len(found) - int(trim * len(found))]:
            total += weight[p].item() * abs(math.log(pred[p] / target[p]))
            most += weight[p].item()
            kept.add(p)
    value = log_l1(pred.requires_grad_(), target, valid, weight, trim)
    assert value.item() == pytest.approx(total / most)
    value.backward()
    assert {tuple(p) for p in pred.grad.nonzero().tolist()} == kept


def test_weights_average_as_a_loop_does_and_zero_leaves_out():
    pred, target, valid = inputs(2, 4, 3)
    weight = torch.rand(pred.shape, dtype=pred.dtype, generator=torch.Generator().manual_seed(5))
    weight[0, 0, 0] = 0
    counted = list(counted_pixels(target, valid))
    total = sum(weight[i].item() * abs(math.log(pred[i] / target[i])) for i in counted)
    found = log_l1(pred, target, valid, weight)
    assert found.item() == pytest.approx(total / sum(weight[i].item() for i in counted))
    assert log_l1(pred, target, valid, torch.full_like(weight, 0.3)) == pytest.approx(
        log_l1(pred, target, valid)
    )
    nothing = log_l1(pred.requires_grad_(), target, valid, torch.zeros_like(weight))
    nothing.backward()
    assert nothing.item() == 0 and not pred.grad.any()
