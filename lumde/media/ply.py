"""Coloured point clouds as binary PLY."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from lumde import files

_VERTEX = np.dtype([("position", "<f4", 3), ("colour", "u1", 3)])
_HEADER = """ply
format binary_little_endian 1.0
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""


def write_ply(path: Path, points: Float[np.ndarray, "n 3"], colours: UInt8[np.ndarray, "n 3"]) -> None:
    """Write points (own unit, RGB colours) atomically; points that are not finite are left out."""
    kept = np.isfinite(points).all(axis=1)
    vertices = np.empty(int(kept.sum()), _VERTEX)
    vertices["position"], vertices["colour"] = points[kept], colours[kept]
    files.write_bytes(path, _HEADER.format(count=len(vertices)).encode() + vertices.tobytes())
