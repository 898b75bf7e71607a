import math

import pytest
import torch
from kornia.losses import inverse_depth_smoothness_loss

from lumde.losses.smoothness import edge_aware_smoothness

SHAPES = [(1, 2, 2), (2, 4, 3), (3, 7, 9)]


def inputs(b, h, w, seed=0):
    generator = torch.Generator().manual_seed(seed)
    disp = 0.1 + torch.rand(b, 1, h, w, dtype=torch.float64, generator=generator)
    image = torch.rand(b, 3, h, w, dtype=torch.float64, generator=generator)
    valid = torch.rand(b, 1, h, w, generator=generator) < 0.7
    valid[:, :, :2, :2] = True
    return disp, image, valid


def loop_smoothness(disp, image, valid):
    """The formula, pixel by pixel."""
    b, _, h, w = disp.shape
    total = 0.0
    for dy, dx in ((1, 0), (0, 1)):
        steps = []
        for i in range(b):
            mean = disp[i, 0][valid[i, 0]].mean()
            for y in range(h - dy):
                for x in range(w - dx):
                    if not (valid[i, 0, y, x] and valid[i, 0, y + dy, x + dx]):
                        continue
                    step = abs(disp[i, 0, y, x] - disp[i, 0, y + dy, x + dx]) / (mean + 1e-7)
                    edge = (image[i, :, y, x] - image[i, :, y + dy, x + dx]).abs().mean()
                    steps.append(step * torch.exp(-edge))
        total = total + torch.stack(steps).mean()
    return total


def test_by_hand():
    """Disparities 1 and 3: mean 2, so one step of 1, weakened by an edge of 0.5."""
    disp = torch.tensor([[1.0, 3.0], [1.0, 3.0]]).double()[None, None]
    image = torch.tensor([[0.2, 0.7], [0.2, 0.7]]).double().expand(1, 3, 2, 2)
    assert edge_aware_smoothness(disp, image).item() == pytest.approx(math.exp(-0.5), abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_agrees_with_a_loop(shape):
    disp, image, valid = inputs(*shape)
    torch.testing.assert_close(
        edge_aware_smoothness(disp, image), loop_smoothness(disp, image, torch.ones_like(valid))
    )
    torch.testing.assert_close(edge_aware_smoothness(disp, image, valid), loop_smoothness(disp, image, valid))


@pytest.mark.parametrize("shape", SHAPES)
def test_agrees_with_kornia(shape):
    disp, image, _ = inputs(*shape)
    normalised = disp / (disp.mean((2, 3), keepdim=True) + 1e-7)
    expected = inverse_depth_smoothness_loss(normalised, image)
    torch.testing.assert_close(edge_aware_smoothness(disp, image), expected)


def test_the_unit_of_the_disparity_drops_out():
    disp, image, _ = inputs(2, 4, 5)
    torch.testing.assert_close(
        edge_aware_smoothness(disp, image), edge_aware_smoothness(40 * disp, image), atol=1e-6, rtol=0
    )


def test_masked_pixels_have_no_say():
    disp, image, valid = inputs(2, 6, 6)
    other = torch.where(valid, disp, 50.0)
    assert edge_aware_smoothness(other, image, valid) == edge_aware_smoothness(disp, image, valid)


def test_everything_masked_is_zero_with_a_zero_gradient():
    disp, image, valid = inputs(1, 4, 4)
    disp.requires_grad_()
    loss = edge_aware_smoothness(disp, image, torch.zeros_like(valid))
    loss.backward()
    assert loss == 0
    assert (disp.grad == 0).all()


def test_gradient():
    disp, image, valid = inputs(2, 3, 4)
    disp.requires_grad_()
    assert torch.autograd.gradcheck(lambda d: edge_aware_smoothness(d, image), disp)
    assert torch.autograd.gradcheck(lambda d: edge_aware_smoothness(d, image, valid), disp)
