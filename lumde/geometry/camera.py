"""The pinhole camera: pixels to points and back, and intrinsics that follow the picture.

Products with small matrices are written out as sums: no autocast or TF32 setting can then round them.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from lumde.geometry.precision import full_precision

DEPTH_EPSILON = 1e-7  # metres, added to z before the division


def pixel_grid(height: int, width: int, like: Tensor) -> Float[Tensor, "3 {height} {width}"]:
    """Homogeneous pixel coordinates (x, y, 1) with the dtype and device of `like`; (0, 0) is top left."""
    y, x = torch.meshgrid(
        torch.arange(height, dtype=like.dtype, device=like.device),
        torch.arange(width, dtype=like.dtype, device=like.device),
        indexing="ij",
    )
    return torch.stack([x, y, torch.ones_like(x)])


@full_precision
def backproject(
    depth: Float[Tensor, "b 1 h w"], intrinsics: Float[Tensor, "b 3 3"]
) -> Float[Tensor, "b 3 h w"]:
    """Lift every pixel to its point in camera space, metres: depth times K^-1 (x, y, 1)."""
    height, width = depth.shape[-2:]
    x, y, _ = pixel_grid(height, width, like=depth)
    fx, skew, cx = intrinsics[:, 0, :, None, None].unbind(1)
    fy, cy = intrinsics[:, 1, 1:, None, None].unbind(1)
    ray_y = (y - cy) / fy
    ray_x = (x - cx - skew * ray_y) / fx
    return depth * torch.stack([ray_x, ray_y, torch.ones_like(ray_x)], dim=1)


@full_precision
def pixel_rays(pixels: Float[Tensor, "*n 2"], intrinsics: Float[Tensor, "3 3"]) -> Float[Tensor, "*n 3"]:
    """Points at depth 1 that pixels (x, y), at any place, show: K^-1 (x, y, 1)."""
    (fx, skew, cx), (_, fy, cy), _ = intrinsics
    ray_y = (pixels[..., 1] - cy) / fy
    ray_x = (pixels[..., 0] - cx - skew * ray_y) / fx
    return torch.stack([ray_x, ray_y, torch.ones_like(ray_x)], -1)


@full_precision
def transform(points: Float[Tensor, "b 3 h w"], a_from_b: Float[Tensor, "b 4 4"]) -> Float[Tensor, "b 3 h w"]:
    """Express points of frame b in frame a."""
    return _product(a_from_b[:, :3, :3], points) + a_from_b[:, :3, 3, None, None]


@full_precision
def project(points: Float[Tensor, "b 3 h w"], intrinsics: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b 2 h w"]:
    """Project points of camera space to pixels (x, y).

    Points behind the camera have a finite answer without meaning: test z > 0 before use.
    Source: Godard et al. 2019, arXiv:1806.01260, sec. 3 (eq. 2).
    """
    return _product(intrinsics[:, :2], points) / (points[:, 2:] + DEPTH_EPSILON)


def resize_intrinsics(
    intrinsics: Float[Tensor, "*b 3 3"], from_size: tuple[int, int], to_size: tuple[int, int]
) -> Float[Tensor, "*b 3 3"]:
    """Carry intrinsics along with a resize between (height, width) sizes.

    The picture's edges stay its edges, half a pixel outside the outermost centres: c' = (c + .5) s - .5.
    """
    scale_y, scale_x = (new / old for new, old in zip(to_size, from_size, strict=True))
    resized = intrinsics.clone()
    resized[..., 0, :] *= scale_x
    resized[..., 1, :] *= scale_y
    resized[..., 0, 2] += 0.5 * scale_x - 0.5
    resized[..., 1, 2] += 0.5 * scale_y - 0.5
    return resized


def flip_intrinsics(intrinsics: Float[Tensor, "*b 3 3"], width: int) -> Float[Tensor, "*b 3 3"]:
    """Carry intrinsics along with a left-right mirror of a picture `width` pixels wide."""
    flipped = intrinsics.clone()
    flipped[..., 0, 2] = (width - 1) - intrinsics[..., 0, 2]
    flipped[..., 0, 1] = -intrinsics[..., 0, 1]
    return flipped


def _product(matrix: Float[Tensor, "b r 3"], points: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b r h w"]:
    columns = matrix[..., None, None].unbind(2)
    coordinates = points[:, None].unbind(2)
    return columns[0] * coordinates[0] + columns[1] * coordinates[1] + columns[2] * coordinates[2]
