"""How far the statistics of a batch are from those that a network's BatchNorm layers remember."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn


@contextmanager
def seen_by(layers: Iterable[nn.BatchNorm2d]) -> Iterator[list[tuple[nn.BatchNorm2d, Tensor]]]:
    """Note what goes into each layer while a network runs; the layers stay in evaluation mode."""
    seen: list[tuple[nn.BatchNorm2d, Tensor]] = []
    hooks = [
        layer.register_forward_pre_hook(lambda layer, inputs: seen.append((layer, inputs[0])))
        for layer in layers
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def statistics_gap(seen: Iterable[tuple[nn.BatchNorm2d, Float[Tensor, "b _ _ _"]]]) -> Float[Tensor, ""]:
    """Squared differences of means, in stored deviations, and of variances, in stored variances.

    Averaged over channels, then over layers; 0 where the batch looks like what the network learned from.

    Source: the aim is that of Hu et al. 2023, arXiv:2208.12464; the squares, and division by the stored
    deviation, without which a few wide channels decide, are ours.
    """
    gaps = []
    for layer, x in seen:
        mean, variance = layer.running_mean, layer.running_var
        assert mean is not None and variance is not None
        spread = variance + layer.eps
        x = x.float()
        shift = (x.mean((0, 2, 3)) - mean).square() / spread
        width = (x.var((0, 2, 3), correction=0) / spread - variance / spread).square()
        gaps.append((shift + width).mean())
    return torch.stack(gaps).mean()
