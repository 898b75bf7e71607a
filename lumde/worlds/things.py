"""Small things that lie and stand about on furniture and floors. Metres, drawn around real sizes."""

import numpy as np

from lumde.worlds.kit import Kit, Place, box, shifted
from lumde.worlds.solids import Solid


def small_thing(kit: Kit, place: Place) -> list[Solid]:
    """A mug, bottle, bowl, box, pile of books, card that stands, or fruit."""
    rng, id = kit.rng, kit.new_id()
    size = float(np.exp(rng.normal(0, 0.3)))
    colour = kit.colour(0.35, 1.4, 0.6)
    turned = (*place[:3], float(rng.uniform(0, np.pi)))
    kind = rng.integers(6)
    if kind == 5:
        half = float(rng.uniform(0.05, 0.14))
        name = str(rng.choice(["poster", "sign", "books", "plain"]))
        return [kit.panel(turned, half, half * float(rng.uniform(1.2, 3.0)), name, id)]
    if kind == 0:
        r, h = 0.04 * size, 0.1 * size
        return [kit.solid(turned, ((r, r, 0.0), (r * 1.1, r * 1.1, h)), ("plain", "plain"), colour, id, 6)]
    if kind == 1:
        r, h = 0.04 * size, 0.27 * size
        bottle = ((r, r, 0.0), (r, r, 0.6 * h), (0.35 * r, 0.35 * r, 0.8 * h), (0.35 * r, 0.35 * r, h))
        return [kit.solid(turned, bottle, ("sign", "plain"), colour, id, 6)]
    if kind == 2:
        r, h = 0.1 * size, 0.08 * size
        bowl = ((r * 0.5, r * 0.5, 0.0), (r, r, h))
        return [kit.solid(turned, bowl, ("plain", "cloth"), colour, id, 6)]
    if kind == 3:
        width, depth, h = rng.uniform(0.05, 0.2, 3) * size
        name = str(rng.choice(["sign", "plain", "poster", "cloth", "books"]))
        top = 0.006 if rng.random() < 0.4 else float(h) * 1.5  # paper, or a box
        return [kit.solid(turned, box(float(width), float(depth), top, 0.0), (name, name), colour, id)]
    r = 0.06 * size
    fruit = ((r * 0.6, r * 0.6, 0.0), (r, r, r * 0.5), (r, r, r * 1.3), (r * 0.5, r * 0.5, r * 1.9))
    return [kit.solid(turned, fruit, ("foliage", "plain"), colour, id, 6)]


def clutter(kit: Kit, place: Place, half_width: float, half_depth: float, mean: float) -> list[Solid]:
    """Small things on a surface at `place`."""
    solids = []
    for _ in range(int(kit.rng.poisson(mean))):
        across, along = kit.rng.uniform(-0.85, 0.85, 2) * (half_width, half_depth)
        solids += small_thing(kit, shifted(place, float(across), float(along)))
    return solids
