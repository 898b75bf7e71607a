import pytest
import torch
from torch import nn

from lumde.losses.adversarial import critic_loss, gradient_penalty, student_loss

SHAPES = [(1, 1, 1, 1), (2, 1, 3, 4), (3, 2, 2, 2)]


class LinearCritic(nn.Module):
    """Score = sum of weight x map: its slope is the weight, whatever the map."""

    def __init__(self, shape):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape, dtype=torch.float64))

    def forward(self, maps):
        return (self.weight * maps).sum((1, 2, 3))


class SquareCritic(LinearCritic):
    """Score = sum of weight x map^2: the slope 2 x weight x map depends on the blend."""

    def forward(self, maps):
        return (self.weight * maps.square()).sum((1, 2, 3))


def maps(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    real, fake = torch.randn(2, *shape, dtype=torch.float64, generator=generator)
    return real, fake, torch.rand(shape[0], dtype=torch.float64, generator=generator)


def test_scores_by_hand():
    real, fake = torch.tensor([3.0, 5.0]), torch.tensor([-1.0, 2.0])
    assert critic_loss(real, fake) == 0.5 - 4.0
    assert student_loss(fake) == -0.5


@pytest.mark.parametrize("batch", [1, 4])
def test_scores_agree_with_loops_and_their_gradients_are_right(batch):
    real, fake = torch.randn(2, batch, dtype=torch.float64)
    expected = sum(f.item() for f in fake) / batch - sum(r.item() for r in real) / batch
    assert critic_loss(real, fake).item() == pytest.approx(expected)
    assert student_loss(fake).item() == pytest.approx(-sum(f.item() for f in fake) / batch)
    inputs = (real.requires_grad_(), fake.requires_grad_())
    assert torch.autograd.gradcheck(critic_loss, inputs)
    assert torch.autograd.gradcheck(student_loss, inputs[1:])


@pytest.mark.parametrize("shape", SHAPES)
def test_penalty_of_a_linear_critic_by_hand(shape):
    """Penalty (|w| - 1)^2; its gradient 2 (|w| - 1) w / |w|."""
    critic = LinearCritic(shape[1:])
    penalty = gradient_penalty(critic, *maps(shape))
    penalty.backward()
    weight = critic.weight.detach()
    torch.testing.assert_close(penalty.detach(), (weight.norm() - 1) ** 2)
    torch.testing.assert_close(critic.weight.grad, 2 * (weight.norm() - 1) * weight / weight.norm())
    assert critic.weight.grad.abs().max() > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_penalty_of_a_curved_critic_agrees_with_a_loop(shape):
    critic = SquareCritic(shape[1:])
    real, fake, epsilon = maps(shape)
    total = 0.0
    for r, f, e in zip(real, fake, epsilon, strict=True):
        slope = 2 * critic.weight.detach() * (e * r + (1 - e) * f)
        total += (slope.square().sum().sqrt() - 1).item() ** 2
    assert gradient_penalty(critic, real, fake, epsilon).item() == pytest.approx(total / shape[0])


def test_gradient_of_the_penalty():
    real, fake, epsilon = maps((2, 1, 2, 3))
    weight = torch.randn(1, 2, 3, dtype=torch.float64, requires_grad=True)

    def penalty(weight):
        return gradient_penalty(lambda m: (weight * m.square()).sum((1, 2, 3)), real, fake, epsilon)

    assert torch.autograd.gradcheck(penalty, weight)


def deep_critic():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.GELU(), nn.Linear(8, 1), nn.Flatten(0))


def test_every_weight_of_a_deep_critic_that_shapes_its_slope_learns():
    critic = deep_critic()
    real, fake, epsilon = (given.float() for given in maps((2, 1, 3, 4)))
    gradient_penalty(critic, real, fake, epsilon).backward()
    for name, parameter in critic.named_parameters():
        if name != "3.bias":  # adds to the score, not to its slope
            assert parameter.grad.abs().max() > 0, name


def test_autocast_does_not_round_the_penalty():
    critic = deep_critic()
    real, fake, epsilon = (given.float() for given in maps((2, 1, 3, 4)))
    plain = gradient_penalty(critic, real, fake, epsilon)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert critic(real).dtype == torch.bfloat16, "the control: autocast is on"
        assert gradient_penalty(critic, real, fake, epsilon) == plain


def test_no_gradient_reaches_the_maps():
    real, fake, epsilon = maps((2, 1, 2, 3))
    real.requires_grad_()
    fake.requires_grad_()
    gradient_penalty(SquareCritic((1, 2, 3)), real, fake, epsilon).backward()
    assert real.grad is None
    assert fake.grad is None


def test_a_critic_that_carries_no_gradient_is_refused():
    with pytest.raises(ValueError, match="carry no gradient"):
        gradient_penalty(lambda m: m.detach().sum((1, 2, 3)), *maps((2, 1, 2, 3)))
