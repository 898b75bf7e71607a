"""Contract of every critic: sizes, no batch statistics, and a second derivative for the gradient penalty."""

import pytest
import torch
from torch import nn

from lumde.config import parse
from lumde.errors import ConfigError
from lumde.nets import CRITICS, CriticTransformer
from lumde.nets.critic_transformer import sine_positions


def made(name: str, **values) -> nn.Module:
    torch.manual_seed(0)
    return CRITICS[name](CRITICS[name].Config(**values))


@pytest.mark.parametrize("name", CRITICS)
def test_one_score_per_map_of_any_size(name):
    for shape in ((1, 1, 64, 192), (3, 1, 37, 61), (2, 1, 1, 1)):
        assert made(name)(torch.rand(shape)).shape == (shape[0],)
    assert made(name, channels=4)(torch.rand(2, 4, 32, 64)).shape == (2,)


@pytest.mark.parametrize("name", CRITICS)
def test_a_score_does_not_depend_on_the_batch(name):
    net, maps = made(name).train(), torch.rand(3, 1, 48, 64)
    torch.testing.assert_close(net(maps)[0], net(maps[:1])[0])
    assert not any("batchnorm" in type(m).__name__.lower() for m in net.modules())


@pytest.mark.parametrize("name", CRITICS)
@pytest.mark.parametrize("size", [(32, 64), (33, 50)])
def test_the_gradient_penalty_moves_the_critic(name, size):
    net, maps = made(name), torch.rand(2, 1, *size, requires_grad=True)
    for key, parameter in net.named_parameters():
        if key.endswith("gain"):
            parameter.data.fill_(0.5)  # starts at 0, where its attention has no say yet
    (gradient,) = torch.autograd.grad(net(maps).sum(), maps, create_graph=True)
    ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean().backward()
    for key, parameter in net.named_parameters():
        if parameter.dim() > 1 and key != "class_token":
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("name", CRITICS)
def test_every_parameter_learns_from_the_scores(name):
    net = made(name)
    net(torch.rand(2, 1, 64, 96)).sum().backward()
    unused = [key for key, p in net.named_parameters() if p.grad is None]
    assert not unused


def test_the_critics_have_equal_sizes():
    counts = [sum(p.numel() for p in made(name).parameters()) for name in CRITICS]
    assert max(counts) <= 1.1 * min(counts)


def test_attention_equals_the_library_formula():
    block = made("critic_transformer").blocks[0]
    tokens = torch.rand(2, 7, 128)
    query, key, value = block.qkv(tokens).view(2, 7, 3, 4, 32).permute(2, 0, 3, 1, 4)
    attended = (
        nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(2, 7, 128)
    )
    torch.testing.assert_close(block.attend(tokens), block.project(attended))


def test_positions_differ_everywhere():
    positions = sine_positions(5, 7, torch.zeros(1, 16, 1, 1)).flatten(2)[0].T  # [places, d]
    assert torch.pdist(positions).min() > 0.1


def test_the_place_of_a_patch_matters():
    net = made("critic_transformer")
    maps = torch.zeros(2, 1, 32, 64)
    maps[0, :, :16, :16] = 1
    maps[1, :, 16:, 48:] = 1
    scores = net(maps)
    assert (scores[0] - scores[1]).abs() > 1e-6


@pytest.mark.parametrize("values", [{"dim": 130}, {"patch": 0}, {"depth": 10**9}, {"heads": 3}])
def test_impossible_sizes_are_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        parse({"name": "critic_transformer", **values}, CriticTransformer.Config)
