from torch import nn

from lumde.metrics.cost import network_cost


def test_cost_of_one_convolution_by_hand() -> None:
    """3 -> 4 channels, 3x3, on 8 x 10 pixels: 108 weights and 4 biases, 108 * 80 multiply-accumulates."""
    cost = network_cost(nn.Conv2d(3, 4, 3, padding=1), 8, 10)
    assert cost["params"] == 112
    assert cost["gmacs"] == 108 * 80 / 1e9
    assert cost["ms"] > 0
