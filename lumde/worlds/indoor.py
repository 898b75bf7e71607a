"""What stands in a room, each as a few solids around one place. Metres, drawn around real sizes.

A piece stands on y = place[1]; `half_width` runs across, `half_depth` along its heading, which points away
from the wall behind it.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from lumde.worlds.kit import Colour, Kit, Place, box, shifted
from lumde.worlds.solids import Solid
from lumde.worlds.things import clutter

Maker = Callable[[Kit, Place, float, float, float], list[Solid]]


class Piece(NamedTuple):
    """How a kind of furniture is made, the ranges of its sizes, and what it leaves of the room around it."""

    make: Maker
    half_width: tuple[float, float]
    half_depth: tuple[float, float]
    height: tuple[float, float]
    weight: float  # how often it is chosen
    hides: float = 1.3  # metres of the wall behind it
    around: float = 0.0  # metres before and behind it where chairs may stand


def paint(kit: Kit, low: float, high: float, spread: float) -> Colour:
    """Colour of a piece of furniture: mostly `spread` from grey; at times any, strong, or nearly black."""
    kind = kit.rng.random()
    if kind < 0.15:
        return kit.vivid(0.3, 1.2)
    if kind < 0.35:
        return kit.colour(0.06, 0.35, 0.3)
    return kit.colour(low, high, 0.9 if kind < 0.55 else spread)


def cabinet(kit: Kit, place: Place, half_width: float, half_depth: float, height: float) -> list[Solid]:
    """A cupboard or counter with a top, things on it and, often, a cupboard on the wall above."""
    body, top = paint(kit, 0.7, 1.2, 0.15), paint(kit, 0.5, 1.2, 0.15)
    return _counter(body, top, kit, place, half_width, half_depth, height)


def fitted(kit: Kit) -> Piece:
    """Counters of one colour and height, for a kitchen's whole run along its walls."""
    body, top = paint(kit, 0.7, 1.2, 0.15), paint(kit, 0.3, 1.2, 0.15)
    height = float(kit.rng.uniform(0.84, 0.95))
    return Piece(partial(_counter, body, top), (0.5, 1.6), (0.29, 0.32), (height, height), 8.0)


def _counter(
    body: Colour, top: Colour, kit: Kit, place: Place, half_width: float, half_depth: float, height: float
) -> list[Solid]:
    rng, id = kit.rng, kit.new_id()
    below = box(half_width, half_depth, height - 0.04, 0.0)
    slab = box(half_width + 0.01, half_depth + 0.02, height, height - 0.04)
    parts = [
        kit.solid(place, below, ("board", "plain"), body, id),
        kit.solid(place, slab, ("plain", "wood"), top, id),
    ]
    parts += clutter(kit, shifted(place, 0.0, 0.0, height), half_width, half_depth, 14 * half_width)
    if height < 1.1 and rng.random() < 0.4:
        above = box(half_width, 0.17, float(rng.uniform(1.95, 2.2)), float(rng.uniform(1.35, 1.5)))
        back = shifted(place, 0.0, 0.17 - half_depth)
        parts.append(kit.solid(back, above, ("board", "plain"), body, kit.new_id()))
    return parts


def shelf(kit: Kit, place: Place, half_width: float, half_depth: float, height: float) -> list[Solid]:
    """Open shelves with books and things, between two sides and a back."""
    rng, id = kit.rng, kit.new_id()
    colour, parts = paint(kit, 0.6, 1.3, 0.1), []
    wood = ("wood", "wood")
    parts.append(
        kit.solid(
            shifted(place, 0.0, 0.01 - half_depth), box(half_width, 0.01, height, 0.0), wood, colour, id
        )
    )
    for side in (-1, 1):
        where = shifted(place, side * (half_width - 0.012), 0.0)
        parts.append(kit.solid(where, box(0.012, half_depth, height, 0.0), wood, colour, id))
    levels = int(rng.integers(3, 6))
    for level in range(levels + 1):
        foot = level * (height - 0.03) / levels
        parts.append(kit.solid(place, box(half_width, half_depth, foot + 0.025, foot), wood, colour, id))
        if level == levels:
            parts += clutter(kit, shifted(place, 0.0, 0.0, height), half_width, half_depth, 1.0)
        elif rng.random() < 0.65:
            tall, share = (height / levels) * float(rng.uniform(0.5, 0.85)), float(rng.uniform(0.3, 0.95))
            where = shifted(
                place, (share - 0.95) * half_width * float(rng.choice([-1, 1])), -0.03, foot + 0.025
            )
            rings = box(half_width * share, half_depth * 0.75, tall, 0.0)
            parts.append(kit.solid(where, rings, ("books", "plain"), kit.colour(0.7, 1.3, 0.2), kit.new_id()))
        else:
            parts += clutter(kit, shifted(place, 0.0, 0.0, foot + 0.025), half_width, half_depth * 0.7, 2.5)
    return parts


def sofa(kit: Kit, place: Place, half_width: float, half_depth: float, height: float) -> list[Solid]:
    """Seat, back, arms and cushions."""
    id, colour, cloth = kit.new_id(), paint(kit, 0.4, 1.3, 0.4), ("cloth", "cloth")
    seat = float(kit.rng.uniform(0.36, 0.46))
    parts = [
        kit.solid(place, box(half_width, half_depth, seat, 0.05), cloth, colour, id),
        kit.solid(
            shifted(place, 0.0, 0.12 - half_depth), box(half_width, 0.12, height, seat), cloth, colour, id
        ),
    ]
    for side in (-1, 1):
        arm = box(0.1, half_depth, seat + 0.2, 0.05)
        parts.append(kit.solid(shifted(place, side * (half_width - 0.1), 0.0), arm, cloth, colour, id))
    for _ in range(int(kit.rng.integers(0, 4))):
        where = shifted(place, float(kit.rng.uniform(-0.7, 0.7)) * half_width, 0.3 - half_depth, seat)
        cushion = ((0.2, 0.05, 0.0), (0.21, 0.09, 0.2), (0.17, 0.04, 0.38))
        parts.append(kit.solid(where, cushion, cloth, kit.colour(0.4, 1.4, 0.6), kit.new_id()))
    return parts


def bed(kit: Kit, place: Place, half_width: float, half_depth: float, height: float) -> list[Solid]:
    """Frame, mattress, cover, pillows and a headboard, standing out from the wall."""
    id, cloth = kit.new_id(), ("cloth", "cloth")
    head = shifted(place, 0.0, 0.03 - half_depth)
    parts = [
        kit.solid(
            place, box(half_width, half_depth, 0.3, 0.05), ("wood", "wood"), paint(kit, 0.5, 1.2, 0.1), id
        ),
        kit.solid(
            place, box(half_width * 0.97, half_depth * 0.97, 0.5, 0.3), cloth, kit.colour(0.7, 1.5, 0.3), id
        ),
        kit.solid(head, box(half_width, 0.03, height, 0.0), ("board", "wood"), paint(kit, 0.5, 1.2, 0.1), id),
    ]
    for side in (-0.5, 0.5):
        where = shifted(place, side * half_width, 0.3 - half_depth, 0.5)
        pillow = ((0.3, 0.2, 0.0), (0.32, 0.22, 0.07), (0.24, 0.15, 0.15))
        parts.append(kit.solid(where, pillow, cloth, kit.colour(0.9, 1.5, 0.2), kit.new_id()))
    return parts


def desk(kit: Kit, place: Place, half_width: float, half_depth: float, height: float) -> list[Solid]:
    """A table with a screen and things on it, and a chair before it."""
    parts = table(kit, place, half_width, half_depth, height)
    on_top = shifted(place, float(kit.rng.uniform(-0.4, 0.4)) * half_width, -0.3 * half_depth, height)
    if kit.rng.random() < 0.7:
        half = float(kit.rng.uniform(0.18, 0.36))
        stand = box(0.03, 0.03, 0.12, 0.0)
        id = kit.new_id()
        parts.append(kit.solid(on_top, stand, ("plain", "plain"), (0.3, 0.3, 0.3), id))
        parts.append(kit.panel(shifted(on_top, 0.0, 0.04, 0.1), half, 1.25 * half, "screen", id))
    in_front = shifted(place, float(kit.rng.uniform(-0.3, 0.3)) * half_width, half_depth + 0.1)
    turned = (*in_front[:3], in_front[3] + np.pi + float(kit.rng.normal(0, 0.4)))
    return [*parts, *chair(kit, turned)]


def table(kit: Kit, place: Place, half_width: float, half_depth: float, height: float) -> list[Solid]:
    """A top on four legs with things on it."""
    id, colour, wood = kit.new_id(), paint(kit, 0.5, 1.3, 0.15), ("wood", "wood")
    parts = [kit.solid(place, box(half_width, half_depth, height, height - 0.035), wood, colour, id)]
    for across in (-1, 1):
        for along in (-1, 1):
            foot = shifted(place, across * (half_width - 0.05), along * (half_depth - 0.05))
            parts.append(
                kit.solid(foot, box(0.025, 0.025, height - 0.03, 0.0), ("plain", "plain"), colour, id)
            )
    return parts + clutter(
        kit, shifted(place, 0.0, 0.0, height), half_width, half_depth, 50 * half_width * half_depth
    )


def chair(kit: Kit, place: Place) -> list[Solid]:
    """Seat, back and four legs; it faces along its heading."""
    id, colour = kit.new_id(), paint(kit, 0.4, 1.3, 0.4)
    name = str(kit.rng.choice(["wood", "cloth", "plain"]))
    seat, back = float(kit.rng.uniform(0.42, 0.48)), float(kit.rng.uniform(0.8, 1.0))
    parts = [kit.solid(place, box(0.21, 0.21, seat, seat - 0.04), (name, name), colour, id)]
    rest = shifted(place, 0.0, -0.19)
    parts.append(kit.solid(rest, box(0.2, 0.02, back, seat + 0.12), (name, name), colour, id))
    for across in (-0.19, 0.19):
        for along in (-0.19, 0.19):
            top = back if along < 0 else seat
            leg = box(0.016, 0.016, top, 0.0)
            parts.append(kit.solid(shifted(place, across, along), leg, ("plain", "plain"), colour, id))
    return parts


def dining(kit: Kit, place: Place, half_width: float, half_depth: float, height: float) -> list[Solid]:
    """A table with chairs around it."""
    parts = table(kit, place, half_width, half_depth, height)
    for side in (-1, 1):
        for across in np.arange(0.35 - half_width, half_width - 0.2, 0.62):
            if kit.rng.random() < 0.7:
                out = half_depth + float(kit.rng.uniform(-0.1, 0.25))
                where = shifted(place, float(across), side * out)
                turn = (np.pi if side > 0 else 0.0) + float(kit.rng.normal(0, 0.25))
                parts += chair(kit, (*where[:3], where[3] + turn))
    return parts


def tall_box(kit: Kit, place: Place, half_width: float, half_depth: float, height: float) -> list[Solid]:
    """A wardrobe, refrigerator or cupboard."""
    id, name = kit.new_id(), str(kit.rng.choice(["board", "plain"]))
    rings = box(half_width, half_depth, height, 0.0)
    parts = [kit.solid(place, rings, (name, "plain"), paint(kit, 0.6, 1.3, 0.15), id)]
    return parts + clutter(kit, shifted(place, 0.0, 0.0, height), half_width, half_depth, 0.8)


def plant(kit: Kit, place: Place, half_width: float, half_depth: float, height: float) -> list[Solid]:
    """A pot with a stem and clumps of leaves."""
    id, leaves = kit.new_id(), kit.colour(0.5, 1.2, 0.2)
    pot = ((0.12, 0.12, 0.0), (0.17, 0.17, 0.3))
    stem = ((0.02, 0.02, 0.0), (0.012, 0.012, 0.85 * height))
    parts = [
        kit.solid(place, pot, ("plain", "floor"), paint(kit, 0.4, 1.3, 0.4), id, 6),
        kit.solid(place, stem, ("wood", "wood"), leaves, id),
    ]
    for _ in range(int(kit.rng.integers(2, 6))):
        across, along = kit.rng.uniform(-0.7, 0.7, 2) * (half_width, half_depth)
        size, middle = float(kit.rng.uniform(0.1, 0.22)), float(kit.rng.uniform(0.45, 0.9)) * height
        rings = (
            (0.3 * size, 0.3 * size, middle - size),
            (size, size, middle),
            (0.2 * size, 0.2 * size, middle + size),
        )
        parts.append(
            kit.solid(shifted(place, float(across), float(along)), rings, ("foliage",) * 2, leaves, id, 6)
        )
    return parts


def pile(kit: Kit, place: Place, half_width: float, half_depth: float, height: float) -> list[Solid]:
    """Boxes on and beside each other."""
    parts, foot = [], 0.0
    for _ in range(int(kit.rng.integers(1, 5))):
        half, deep, tall = kit.rng.uniform(0.4, 1.0, 3) * (half_width, half_depth, height / 3)
        turn = (*shifted(place, 0.0, 0.0, foot)[:3], place[3] + float(kit.rng.normal(0, 0.3)))
        name = str(kit.rng.choice(["plain", "sign", "cloth", "wood", "poster"]))
        rings = box(float(half), float(deep), float(tall), 0.0)
        parts.append(kit.solid(turn, rings, (name, name), kit.colour(0.4, 1.3, 0.5), kit.new_id()))
        foot += float(tall)
    return parts


AT_WALLS = {
    "cabinet": Piece(cabinet, (0.4, 1.4), (0.22, 0.33), (0.7, 1.0), 3.0),
    "shelf": Piece(shelf, (0.35, 0.9), (0.13, 0.2), (0.9, 2.1), 2.0, hides=2.2),
    "sofa": Piece(sofa, (0.5, 1.1), (0.4, 0.5), (0.75, 0.95), 1.0),
    "bed": Piece(bed, (0.45, 0.9), (0.95, 1.05), (0.8, 1.2), 0.5),
    "desk": Piece(desk, (0.5, 0.9), (0.3, 0.42), (0.7, 0.78), 1.5),
    "tall_box": Piece(tall_box, (0.3, 0.8), (0.28, 0.35), (1.4, 2.1), 1.0, hides=2.2),
    "plant": Piece(plant, (0.2, 0.35), (0.2, 0.35), (0.7, 1.7), 0.6),
    "pile": Piece(pile, (0.2, 0.45), (0.2, 0.4), (0.5, 1.2), 0.8),
}
FREE = {
    "dining": Piece(dining, (0.5, 1.0), (0.35, 0.5), (0.7, 0.78), 2.0, around=0.5),
    "low_table": Piece(table, (0.35, 0.6), (0.25, 0.4), (0.35, 0.5), 1.0),
    "pile": Piece(pile, (0.2, 0.45), (0.2, 0.4), (0.4, 1.0), 1.0),
    "island": Piece(cabinet, (0.5, 1.0), (0.3, 0.5), (0.8, 1.0), 0.7),
}
