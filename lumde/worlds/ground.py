"""The ground of a street and the sky above it: everything that is no solid."""

import numpy as np
from jaxtyping import Float

from lumde.worlds.motion import BEHIND, Course
from lumde.worlds.patterns import TILE_M
from lumde.worlds.scene import SKY, Surfaces, join
from lumde.worlds.textures import SIZE

GROUND = 1  # object id
KERB_HEIGHT = 0.13  # metres
_SEGMENT = 2.0  # metres of road per quad
_CELL = 8.0  # metres of land per quad
_SUNK = 0.07  # metres by which the land lies below the road, whose quads are finer
_FAR = 900.0  # metres to the sky


def make_ground(
    rng: np.random.Generator, course: Course, textures: tuple[str, ...], half_road: float, pavement: float
) -> Surfaces:
    """Road, kerbs, pavements and land.

    Args:
        rng: varies the shade along the road.
        course: the road's centre line.
        textures: names in the order of the atlas.
        half_road: half the road's width, metres.
        pavement: width of each pavement, metres.
    """
    outer = half_road + pavement
    road_tile = (2 * half_road, TILE_M["road"][1])
    bands = [((-half_road, 0.0), (half_road, 0.0), "road", road_tile)]
    for side in (-1, 1):
        edge, back = side * half_road, side * outer
        bands += [
            ((edge, 0.0), (edge, -KERB_HEIGHT), "pavement", TILE_M["pavement"]),
            ((edge, -KERB_HEIGHT), (back, -KERB_HEIGHT), "pavement", TILE_M["pavement"]),
            ((back, -KERB_HEIGHT), (back, 0.3), "pavement", TILE_M["pavement"]),
        ]
    parts = [_strip(rng, course, a, b, textures.index(name), tile) for a, b, name, tile in bands]
    return join([*parts, _land(course, textures.index("verge"))])


def _strip(
    rng: np.random.Generator,
    course: Course,
    left: tuple[float, float],
    right: tuple[float, float],
    texture: int,
    tile: tuple[float, float],
) -> Surfaces:
    """A band along the road between two edges, each an offset to the right and a height (down)."""
    along = np.arange(-BEHIND, course.length + 0.1, _SEGMENT)
    edges, texels = [], []
    width = np.hypot(right[0] - left[0], right[1] - left[1])
    for (aside, down), across in ((left, 0.0), (right, width)):
        x, z, _ = course.at(along, aside)
        edges.append(np.stack([x, course.height(x, z) + down, z], -1))
        texels.append(np.stack([np.full_like(along, across), along], -1) * (SIZE / np.array(tile)))
    shade = 1 + 0.05 * np.round(rng.normal(0, 1, 1 + len(along) // 6), 1)
    return quads(
        np.stack(edges, 1), np.stack(texels, 1), texture, GROUND, np.repeat(shade, 6)[: len(along) - 1]
    )


def _land(course: Course, texture: int) -> Surfaces:
    """The land far around the road."""
    reach = 90.0
    x = np.arange(course.x.min() - reach, course.x.max() + reach, _CELL)
    z = np.arange(-BEHIND - 10.0, course.z.max() + reach, _CELL)
    grid_x, grid_z = np.meshgrid(x, z, indexing="ij")
    points = np.stack([grid_x, course.height(grid_x, grid_z) + _SUNK, grid_z], -1)
    texels = points[..., [0, 2]] * (SIZE / np.array(TILE_M["verge"]))
    return join(
        [
            quads(points[i : i + 2].swapaxes(0, 1), texels[i : i + 2].swapaxes(0, 1), texture, GROUND)
            for i in range(len(x) - 1)
        ]
    )


def make_sky(texture: int, middle: tuple[float, float]) -> Surfaces:
    """Four walls and two lids far away, so that every ray meets something."""
    turns = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]], np.float64) * _FAR + np.array(middle)
    parts = []
    for low, high, first, last in ((300.0, 0.0, 3.0, 3.0), (0.0, -700.0, 3.0, 252.0)):
        ring = np.stack([_at_height(turns, low), _at_height(turns, high)], 1)
        texels = np.array([[[SIZE * i, first], [SIZE * i, last]] for i in range(5)], np.float64)
        parts.append(quads(ring, texels, texture, SKY))
    for height, row in ((300.0, 3.0), (-700.0, 252.0)):
        lid = _at_height(turns, height)[[[0, 1], [3, 2]]]
        parts.append(quads(lid, np.full((2, 2, 2), row), texture, SKY))
    return join(parts)


def _at_height(points: Float[np.ndarray, "k 2"], height: float) -> Float[np.ndarray, "k 3"]:
    """Ground positions (x, z) lifted to a world y."""
    return np.stack([points[:, 0], np.full(len(points), height), points[:, 1]], -1)


def quads(
    points: Float[np.ndarray, "k 2 3"],
    texels: Float[np.ndarray, "k 2 2"],
    texture: int,
    id: int,
    shade: Float[np.ndarray, " s"] | None = None,
) -> Surfaces:
    """A ladder of quads between two rows of points, as triangles."""
    corners, uv = (
        np.concatenate(
            [
                np.stack([rows[:-1, 0], rows[:-1, 1], rows[1:, 1]], 1),
                np.stack([rows[:-1, 0], rows[1:, 1], rows[1:, 0]], 1),
            ]
        )
        for rows in (points, texels)
    )
    count = len(corners)
    colour = np.ones((count, 3)) if shade is None else np.tile(shade, 2)[:, None] * np.ones(3)
    return Surfaces(corners, uv, np.full(count, texture, np.int32), colour, np.full(count, id, np.int32))
