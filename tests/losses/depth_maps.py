"""Depth maps that the tests of losses share."""

import torch
from torch import Tensor


def inputs(b: int, h: int, w: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Prediction, target with holes, and which pixels count; (b, 1, h, w), double precision."""
    generator = torch.Generator().manual_seed(seed)
    pred, target = 1 + 4 * torch.rand(2, b, 1, h, w, dtype=torch.float64, generator=generator)
    valid = torch.rand(b, 1, h, w, generator=generator) < 0.7
    target = torch.where(torch.rand(b, 1, h, w, generator=generator) < 0.2, 0.0, target)
    return pred, target, valid
