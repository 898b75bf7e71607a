"""Patches of a picture: where corners are, values between pixels, correlation."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

LEAST_CORNER = 2e-4  # smaller eigenvalue of the mean structure matrix, (grey levels of 1 per pixel) squared
RADIUS = 3  # pixels around a pixel, over which that matrix is averaged


def find_corners(
    grey: Float[Tensor, "h w"], cell: int, valid: Bool[Tensor, "h w"] | None = None
) -> Float[Tensor, "n 2"]:
    """The strongest corner (x, y) of each square cell of so many pixels that has one, away from the border.

    Args:
        grey: picture.
        cell: pixels of its side.
        valid: where corners may be; None = anywhere.

    Source: Shi and Tomasi 1994; thresholds are ours.
    """
    height, width = grey.shape
    if min(height, width) < cell:
        return grey.new_zeros(0, 2)
    padded = F.pad(grey[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    x, y = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2, (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    size = 2 * RADIUS + 1
    xx, xy, yy = F.avg_pool2d(torch.stack([x * x, x * y, y * y])[None], size, 1, RADIUS)[0]
    strength = (xx + yy) / 2 - (((xx - yy) / 2) ** 2 + xy**2).sqrt()
    border = 2 * RADIUS
    inner = torch.zeros_like(strength, dtype=torch.bool)
    inner[border : height - border, border : width - border] = True
    strength = torch.where(inner if valid is None else inner & valid, strength, 0.0)
    best, index = F.max_pool2d(strength[None, None], cell, return_indices=True)
    index = index[best > LEAST_CORNER]
    return torch.stack([index % width, index // width], -1).to(grey.dtype)


def square(radius: int, like: Tensor) -> Float[Tensor, "p 2"]:
    """Offsets (x, y) of the pixels of a square patch, row by row."""
    axis = torch.arange(-radius, radius + 1.0).to(like)
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).flatten(0, 1)


def sample(picture: Float[Tensor, "h w"], pixels: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n"]:
    """Values at places (x, y) between pixels; outside, that of the nearest edge."""
    size = picture.new_tensor([picture.shape[1] - 1, picture.shape[0] - 1])
    grid = (2 * pixels / size - 1).reshape(1, 1, -1, 2)
    values = F.grid_sample(picture[None, None], grid, align_corners=True, padding_mode="border")
    return values.reshape(pixels.shape[:-1])


def normed(patches: Float[Tensor, "*n p"]) -> Float[Tensor, "*n p"]:
    """Patches without their mean, of length 1; a flat patch has no direction and becomes 0."""
    centred = patches - patches.mean(-1, keepdim=True)
    return centred / centred.norm(dim=-1, keepdim=True).clamp(min=1e-3)
