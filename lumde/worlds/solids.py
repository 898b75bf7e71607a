"""Stacked prisms as triangles: boxes, cabins, roofs, poles, people, tree crowns are one kind."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lumde.worlds.scene import Surfaces, join
from lumde.worlds.textures import SIZE

_POLYGONS = {  # corners of a ring, in units of its half sizes, counter-clockwise seen from above
    4: np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]),
    6: np.array([[1.0, 0.0], [0.5, 0.87], [-0.5, 0.87], [-1.0, 0.0], [-0.5, -0.87], [0.5, -0.87]]),
}


class Solid(NamedTuple):
    """A stack of rings around a vertical axis, closed on top, with flat sides between them."""

    place: tuple[float, float, float, float]  # x, y (down), z of the foot's centre, heading in radians
    rings: tuple[tuple[float, float, float], ...]  # half width across, half length along, height, metres
    id: int
    side: int  # texture index
    top: int
    colour: tuple[float, float, float]
    side_tile: tuple[float, float]  # metres per picture
    top_tile: tuple[float, float]
    shift: float = 0.0  # metres by which the side picture is moved along the perimeter
    corners: int = 4


def triangulate(solids: list[Solid]) -> Surfaces:
    """Turn solids into surfaces, those of one topology at a time."""
    groups: dict[tuple[int, int], list[Solid]] = {}
    for solid in solids:
        groups.setdefault((solid.corners, len(solid.rings)), []).append(solid)
    return join([_triangulate_alike(group) for group in groups.values()])


def _triangulate_alike(solids: list[Solid]) -> Surfaces:
    """Surfaces of solids with equally many corners and rings."""
    points = _ring_points(solids)  # [m, r, k, 3]
    count, rings, sides = points.shape[:3]
    following = np.roll(points, -1, axis=2)
    quads = np.stack([points[:, :-1], following[:, :-1], following[:, 1:], points[:, 1:]], 3)
    base = np.array([[ring[2] for ring in s.rings[:-1]] for s in solids])  # height of each band's foot
    shift = np.array([s.shift for s in solids])
    quads = quads.reshape(count, -1, 4, 3)
    flat = _flatten(quads, np.repeat(base, sides, axis=1), shift[:, None])
    side_tile = np.array([s.side_tile for s in solids])
    top_tile = np.array([s.top_tile for s in solids])
    flat = flat * (SIZE / side_tile)[:, None, None, :]
    fan = points[:, -1][:, _fan(sides)]  # [m, k - 2, 3, 3]
    fan_uv = fan[..., [0, 2]] * (SIZE / top_tile)[:, None, None, :]
    halves = ([0, 1, 2], [0, 2, 3])
    corners = np.concatenate([quads[:, :, half] for half in halves] + [fan], 1)
    uv = np.concatenate([flat[:, :, half] for half in halves] + [fan_uv], 1)
    per_solid, on_top = corners.shape[1], sides - 2
    texture = np.repeat(np.array([[s.side] for s in solids]), per_solid, 1)
    texture[:, -on_top:] = np.array([[s.top] for s in solids])
    surfaces = Surfaces(
        corners.reshape(-1, 3, 3),
        uv.reshape(-1, 3, 2),
        texture.ravel().astype(np.int32),
        np.repeat(np.array([s.colour for s in solids]), per_solid, 0),
        np.repeat(np.array([s.id for s in solids], np.int32), per_solid),
    )
    return _without_slivers(surfaces)


def _ring_points(solids: list[Solid]) -> Float[np.ndarray, "m r k 3"]:
    """World positions of all ring corners."""
    polygon = _POLYGONS[solids[0].corners]
    rings = np.array([s.rings for s in solids])[:, :, None]  # [m, r, 1, 3]
    place = np.array([s.place for s in solids])[:, None, None]  # [m, 1, 1, 4]
    across, along = rings[..., 0] * polygon[:, 0], rings[..., 1] * polygon[:, 1]
    sine, cosine = np.sin(place[..., 3]), np.cos(place[..., 3])
    x = place[..., 0] + across * cosine + along * sine
    z = place[..., 2] + along * cosine - across * sine
    y = place[..., 1] - np.broadcast_to(rings[..., 2], x.shape)
    return np.stack([x, y, z], -1)


def _flatten(
    quads: Float[np.ndarray, "m q 4 3"], base: Float[np.ndarray, "m q"], shift: Float[np.ndarray, "m 1"]
) -> Float[np.ndarray, "m q 4 2"]:
    """Metres along the foot and up the slope of every quad; a point where a ring has no extent is allowed."""
    foot = quads[:, :, 1] - quads[:, :, 0]
    length = np.sqrt((foot**2).sum(-1, keepdims=True))
    along = foot / np.maximum(length, 1e-9)
    offset = quads - quads[:, :, :1]
    u = (offset * along[:, :, None]).sum(-1)
    up = offset[:, :, 3] - u[:, :, 3:] * along
    up = up / np.maximum(np.sqrt((up**2).sum(-1, keepdims=True)), 1e-9)
    v = (offset * up[:, :, None]).sum(-1)
    return np.stack([u + shift[..., None], v + base[..., None]], -1)


def _fan(corners: int) -> Int[np.ndarray, "f 3"]:
    """Triangles of a polygon's fan."""
    return np.array([[0, i, i + 1] for i in range(1, corners - 1)])


def _without_slivers(surfaces: Surfaces) -> Surfaces:
    """Drop triangles without area: they have no plane."""
    a, b, c = surfaces.corners.transpose(1, 0, 2)
    keep = (np.cross(b - a, c - a) ** 2).sum(-1) > 1e-10
    return Surfaces(
        surfaces.corners[keep],
        surfaces.uv[keep],
        surfaces.texture[keep],
        surfaces.colour[keep],
        surfaces.ids[keep],
    )
