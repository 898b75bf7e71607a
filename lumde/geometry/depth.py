"""Disparity and depth: the bounded map between a network's sigmoid output and a depth, both ways."""

from jaxtyping import Float
from torch import Tensor


def disp_to_depth(
    disp: Float[Tensor, "*b h w"], min_depth: float, max_depth: float
) -> Float[Tensor, "*b h w"]:
    """Map a sigmoid output to depth.

    Args:
        disp: network output, unitless, in [0, 1]; 0 is the far plane.
        min_depth: nearest depth, metres, > 0.
        max_depth: farthest depth, metres, > `min_depth`.

    Returns:
        Depth in metres, in [`min_depth`, `max_depth`].

    Raises:
        ValueError: unless 0 < min_depth < max_depth.

    Source: Godard et al. 2019, arXiv:1806.01260, sec. 3.
    """
    far, near = _inverse_range(min_depth, max_depth)
    return 1.0 / (far + (near - far) * disp)


def depth_to_disp(
    depth: Float[Tensor, "*b h w"], min_depth: float, max_depth: float
) -> Float[Tensor, "*b h w"]:
    """Undo `disp_to_depth`; depths outside the range are clamped to it.

    Raises:
        ValueError: unless 0 < min_depth < max_depth.
    """
    far, near = _inverse_range(min_depth, max_depth)
    return (1.0 / depth.clamp(min_depth, max_depth) - far) / (near - far)


def _inverse_range(min_depth: float, max_depth: float) -> tuple[float, float]:
    if not 0 < min_depth < max_depth:
        raise ValueError(f"0 < min_depth < max_depth needed, found {min_depth} and {max_depth}")
    return 1.0 / max_depth, 1.0 / min_depth
