import pytest
import torch
from torch import nn

from lumde.metrics.cost import Multiplications, network_cost


def test_cost_of_one_convolution_by_hand() -> None:
    """3 -> 4 channels, 3x3, on 8 x 10 pixels: 108 weights and 4 biases, 108 * 80 multiply-accumulates."""
    cost = network_cost(nn.Conv2d(3, 4, 3, padding=1), 8, 10)
    assert cost["params"] == 112
    assert cost["gmacs"] == 108 * 80 / 1e9
    assert cost["ms"] > 0


@pytest.mark.parametrize(
    ("layer", "shape", "count"),
    [
        (nn.Conv2d(4, 6, 3, padding=1, groups=2), (2, 4, 5, 7), 2 * 6 * 35 * 2 * 9),
        (nn.ConvTranspose2d(4, 6, 2, stride=2), (2, 4, 5, 7), 2 * 4 * 35 * 6 * 4),
        (nn.Linear(8, 3), (2, 5, 8), 2 * 5 * 3 * 8),
    ],
)
def test_what_layers_multiply_in_training_is_counted(layer, shape, count) -> None:
    heard = Multiplications([layer, nn.ReLU()])
    layer.eval()(torch.rand(shape))
    assert heard.total == 0
    layer.train()(torch.rand(shape))
    heard.stop()
    layer(torch.rand(shape))
    assert heard.total == count
