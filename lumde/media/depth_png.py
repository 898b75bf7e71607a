"""Depth maps as 16-bit PNG: value = depth * scale, 0 = no measurement (scale 256 KITTI, 1000 millimetres)."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt16

from lumde.errors import DataError
from lumde.media import images

LARGEST = 65535


def read_depth(path: Path, scale: int | float) -> Float[np.ndarray, "h w"]:
    """Read a depth map.

    Args:
        path: 16-bit grey PNG.
        scale: stored values per metre, > 0.

    Returns:
        float32 metres, 0 = no measurement.

    Raises:
        DataError: not a 16-bit grey PNG, or damaged.
    """
    with images.opened(path, formats=("PNG",)) as image:
        if image.mode not in ("I;16", "I;16B", "I"):
            raise DataError(
                f"{path}: 16-bit grey PNG expected, found mode {image.mode}; "
                "was it saved through an image viewer?"
            )
        stored = np.asarray(image)
    return stored.astype(np.float32) / np.float32(scale)


def write_depth(path: Path, depth: Float[np.ndarray, "h w"], scale: int | float) -> int:
    """Write a depth map atomically; non-finite and non-positive depths become 0.

    Returns:
        Number of pixels beyond 65535 / `scale`: they are stored as 65535, never wrapped.
    """
    stored, saturated = encode_depth(depth, scale)
    images.write_png(path, stored)
    return saturated


def encode_depth(
    depth: Float[np.ndarray, "h w"], scale: int | float
) -> tuple[UInt16[np.ndarray, "h w"], int]:
    """Round depth to uint16 values, and count the saturated ones."""
    if scale <= 0:
        raise ValueError(f"scale must be positive, got {scale}")
    values = np.rint(np.nan_to_num(depth.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0) * scale)
    saturated = int((values > LARGEST).sum())
    return values.clip(0, LARGEST).astype(np.uint16), saturated
