"""Triangles as affine functions: a viewing direction gives depth and texture by arithmetic alone.

A triangle's plane makes inverse depth linear in the direction (x, y, 1), and u and v times inverse depth too.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from lumde.worlds.scene import Surfaces
from lumde.worlds.textures import SIZE

DEPTH_X, DEPTH_Y, DEPTH_1 = 0, 1, 2  # rows of a table: inverse depth = their product with (x, y, 1)
TEXELS = (3, 7)  # first rows of u and v: three for the direction (times depth), then a constant


@dataclass(frozen=True)
class Planes:
    """Planes and texture gradients of triangles in world coordinates."""

    normal: Float[np.ndarray, "3 t"]  # unit
    offset: Float[np.ndarray, " t"]  # normal . any point of the triangle
    gradient: Float[np.ndarray, "2 3 t"]  # of u and v, texels per metre
    constant: Float[np.ndarray, "2 t"]  # u and v at the world's origin

    def take(self, index: Int[np.ndarray, " k"]) -> "Planes":
        """Planes of some of the triangles."""
        return Planes(
            self.normal[:, index], self.offset[index], self.gradient[..., index], self.constant[:, index]
        )


def planes_of(surfaces: Surfaces) -> Planes:
    """Planes and texture gradients from corners and their texels."""
    a, b, c = surfaces.corners.transpose(1, 0, 2)
    first, second = b - a, c - a
    normal = np.cross(first, second)
    area = _sum3(normal.T * normal.T)
    towards_second, towards_first = np.cross(second, normal).T / area, np.cross(normal, first).T / area
    rise = (surfaces.uv[:, 1:] - surfaces.uv[:, :1]).transpose(2, 1, 0)  # [2, 2, t]
    gradient = np.stack([towards_second * r[0] + towards_first * r[1] for r in rise])
    normal = normal.T / np.sqrt(area)
    constant = np.stack([uv - _sum3(g * a.T) for uv, g in zip(surfaces.uv[:, 0].T, gradient, strict=True)])
    return Planes(normal, _sum3(normal * a.T), gradient, constant)


def joined(first: Planes, second: Planes) -> Planes:
    """Planes of two sets of triangles."""
    return Planes(
        np.concatenate([first.normal, second.normal], 1),
        np.concatenate([first.offset, second.offset]),
        np.concatenate([first.gradient, second.gradient], 2),
        np.concatenate([first.constant, second.constant], 1),
    )


def height_above(planes: Planes, point: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " t"]:
    """Distance of a point from every plane, positive on the normal's side, metres."""
    return _sum3(planes.normal * point[:, None]) - planes.offset


def in_camera(planes: Planes, pose: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "11 t"]:
    """Table of a camera `world_from_camera`: inverse depth (3 rows), then u and v (4 rows each)."""
    centre, axes = pose[:3, 3], pose[:3, :3].T
    distance = -height_above(planes, centre)
    distance = np.where(np.abs(distance) < 1e-9, 1e-9, distance)  # seen edge-on: never hit
    rows = [_sum3(planes.normal * axis[:, None]) / distance for axis in axes]
    for gradient, constant in zip(planes.gradient, planes.constant, strict=True):
        rows += [_sum3(gradient * axis[:, None]) for axis in axes]
        rows.append(np.mod(_sum3(gradient * centre[:, None]) + constant, SIZE))
    return np.stack(rows).astype(np.float32)


def depth_of(
    table: Float[np.ndarray, "11 t"],
    hit: Int[np.ndarray, " r"],
    x: Float[np.ndarray, " r"],
    y: Float[np.ndarray, " r"],
) -> Float[np.ndarray, " r"]:
    """Depth along z at which directions (x, y, 1) meet the planes that they hit."""
    return 1 / (table[DEPTH_X][hit] * x + table[DEPTH_Y][hit] * y + table[DEPTH_1][hit])


def texels_of(
    table: Float[np.ndarray, "11 t"],
    hit: Int[np.ndarray, " r"],
    x: Float[np.ndarray, " r"],
    y: Float[np.ndarray, " r"],
    depth: Float[np.ndarray, " r"],
) -> tuple[list[Float[np.ndarray, " r"]], list[Float[np.ndarray, " r"]]]:
    """Texture position (u, v), and by how many texels it moves per unit of direction at unit depth."""
    slope_x, slope_y = table[DEPTH_X][hit], table[DEPTH_Y][hit]
    positions, changes = [], []
    for first in TEXELS:
        along_x, along_y = table[first][hit], table[first + 1][hit]
        position = (along_x * x + along_y * y + table[first + 2][hit]) * depth
        changes.append(np.abs(along_x - position * slope_x) + np.abs(along_y - position * slope_y))
        positions.append(position + table[first + 3][hit])
    return positions, changes


def _sum3(rows: Float[np.ndarray, "3 t"]) -> Float[np.ndarray, " t"]:
    """Sum of three rows in a fixed order."""
    return rows[0] + rows[1] + rows[2]
