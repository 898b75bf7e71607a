"""What stands in a street, each as a few solids around one place. Metres, drawn around real sizes."""

import numpy as np

from lumde.worlds.kit import SUNK, Colour, Kit, Place, box, shifted
from lumde.worlds.patterns import FACADES
from lumde.worlds.solids import Solid


def vehicle(kit: Kit, place: Place, id: int) -> list[Solid]:
    """A car, van or lorry of two or three bodies on four wheels, along its heading."""
    rng = kit.rng
    colour = kit.colour(0.35, 1.25, 0.4)
    kind = rng.choice(3, p=[0.7, 0.2, 0.1])
    half_width, half_length = ((0.88, 2.15), (0.98, 2.6), (1.15, 3.6))[kind]
    half_length *= float(rng.uniform(0.9, 1.12))
    waist, roof = ((0.9, 1.5), (1.15, 2.1), (1.3, 3.1))[kind]
    roof *= float(rng.uniform(0.95, 1.1))
    parts = [kit.solid(place, box(half_width, half_length, waist, 0.22), ("body", "body"), colour, id)]
    back, front = ((-0.9, 0.45), (-0.97, 0.6), (0.55, 0.97))[kind]
    middle, half = (back + front) / 2 * half_length, (front - back) / 2 * half_length
    cabin = ((half_width * 0.95, half, waist), (half_width * 0.8, half * 0.68, roof))
    parts.append(kit.solid(shifted(place, 0.0, middle), cabin, ("glass", "body"), colour, id))
    if kind == 2:
        load = box(half_width, half_length * 0.72, roof + 0.3, waist)
        parts.append(kit.solid(shifted(place, 0.0, -0.26 * half_length), load, ("sign", "roof"), colour, id))
    dark = (0.25, 0.25, 0.27)
    for across in (-1.0, 1.0):
        for along in (-0.62, 0.64):
            foot = shifted(place, across * (half_width - 0.1), along * half_length)
            wheel = ((0.12, 0.18, 0.0), (0.12, 0.33, 0.17), (0.12, 0.33, 0.45), (0.12, 0.18, 0.62))
            parts.append(kit.solid(foot, wheel, ("pole", "pole"), dark, id))
    return parts


def person(kit: Kit, place: Place, id: int) -> list[Solid]:
    """Legs, torso and head."""
    size = float(kit.rng.uniform(0.92, 1.08))
    legs = ((0.13, 0.15, 0.0), (0.17, 0.14, 0.85 * size))
    torso = ((0.19, 0.14, 0.85 * size), (0.25, 0.15, 1.42 * size))
    head = ((0.08, 0.08, 1.45 * size), (0.12, 0.12, 1.6 * size), (0.07, 0.07, 1.75 * size))
    return [
        kit.solid(place, legs, ("pole", "pole"), kit.colour(0.3, 0.9, 0.3), id),
        kit.solid(place, torso, ("sign", "pole"), kit.colour(0.4, 1.2, 0.5), id),
        kit.solid(place, head, ("brick", "foliage"), (1.3, 1.0, 0.85), id),
    ]


def tree(kit: Kit, place: Place, id: int) -> list[Solid]:
    """A trunk and one to three clumps of leaves."""
    rng = kit.rng
    height = float(rng.uniform(5.0, 9.5))
    radius = height * float(rng.uniform(0.2, 0.3))  # clear of a camera that drives underneath
    trunk = float(rng.uniform(0.1, 0.25))
    crown = kit.colour(0.6, 1.2, 0.2)
    stem = ((trunk, trunk, SUNK), (trunk * 0.7, trunk * 0.7, height - radius))
    parts = [kit.solid(place, stem, ("pole", "pole"), (0.7, 0.6, 0.5), id, 6)]
    for _ in range(int(rng.integers(1, 4))):
        size = radius * float(rng.uniform(0.6, 1.0))
        middle = height - radius * float(rng.uniform(0.3, 0.8))
        across, along = rng.uniform(-0.5, 0.5, 2) * radius
        parts.append(_clump(kit, shifted(place, float(across), float(along)), size, middle, crown, id))
    return parts


def _clump(kit: Kit, place: Place, size: float, middle: float, colour: Colour, id: int) -> Solid:
    """A rounded mass of leaves around a height."""
    rings = (
        (0.35 * size, 0.35 * size, middle - size),
        (0.95 * size, 0.9 * size, middle - 0.4 * size),
        (0.9 * size, 0.95 * size, middle + 0.35 * size),
        (0.3 * size, 0.3 * size, middle + 0.95 * size),
    )
    turned = (*place[:3], float(kit.rng.uniform(0, 1.0)))
    return kit.solid(turned, rings, ("foliage", "foliage"), colour, id, 6)


def bush(kit: Kit, place: Place, id: int) -> list[Solid]:
    """A bush of one to three clumps."""
    colour = kit.colour(0.6, 1.2, 0.25)
    parts = []
    for _ in range(int(kit.rng.integers(1, 4))):
        size = float(kit.rng.uniform(0.4, 0.9))
        across, along = kit.rng.uniform(-0.7, 0.7, 2)
        parts.append(_clump(kit, shifted(place, float(across), float(along)), size, 0.7 * size, colour, id))
    return parts


def thicket(kit: Kit, place: Place, size: float, id: int) -> list[Solid]:
    """Trees and bushes grown into one mass of up to three clumps, from the ground up."""
    colour, parts = kit.colour(0.45, 1.1, 0.25), []
    for _ in range(int(kit.rng.integers(1, 4))):
        radius = size * float(kit.rng.uniform(0.6, 1.2))
        across, along = kit.rng.uniform(-0.8, 0.8, 2) * size
        middle = radius * float(kit.rng.uniform(0.6, 1.6))
        parts.append(_clump(kit, shifted(place, float(across), float(along)), radius, middle, colour, id))
    return parts


def lamp(kit: Kit, place: Place, id: int) -> list[Solid]:
    """A pole with a foot and, mostly, an arm over the road."""
    thick, height = float(kit.rng.uniform(0.05, 0.09)), float(kit.rng.uniform(4.0, 8.0))
    colour = kit.colour(1.1, 1.5, 0.1) if kit.rng.random() < 0.6 else kit.colour(0.25, 0.4, 0.1)
    pole = ((thick * 1.4, thick * 1.4, SUNK), (thick * 1.3, thick * 1.3, 0.9), (thick, thick, height))
    parts = [kit.solid(place, pole, ("pole", "pole"), colour, id, 6)]
    if kit.rng.random() < 0.6:
        arm = box(0.8, 0.1, height, height - 0.15)
        parts.append(kit.solid(shifted(place, 0.7, 0.0), arm, ("pole", "pole"), colour, id))
    return parts


def sign(kit: Kit, place: Place, id: int) -> list[Solid]:
    """A board on a thin pole, facing along the road."""
    low, half = float(kit.rng.uniform(1.8, 2.4)), float(kit.rng.uniform(0.25, 0.55))
    high = low + float(kit.rng.uniform(0.5, 1.1))
    board = box(half, 0.03, high, low)
    return [
        kit.solid(place, box(0.05, 0.05, high), ("pole", "pole"), kit.colour(0.6, 1.2, 0.1), id),
        kit.solid(shifted(place, 0.0, -0.08), board, ("sign", "pole"), kit.colour(0.7, 1.3, 0.4), id),
    ]


def container(kit: Kit, place: Place, id: int) -> list[Solid]:
    """A bin, bench, cabinet, shelter or skip."""
    rng = kit.rng
    low, high = rng.choice(np.array([[0.3, 1.2], [0.5, 1.0], [0.9, 2.3]]))
    rings = box(float(rng.uniform(0.25, 0.6)), float(rng.uniform(0.3, 1.2)), float(rng.uniform(low, high)))
    side = str(rng.choice(["sign", "pole", "brick", "body"]))
    return [kit.solid(place, rings, (side, "pavement"), kit.colour(0.5, 1.2, 0.35), id)]


def wall(kit: Kit, place: Place, half_length: float, id: int) -> list[Solid]:
    """A hedge, fence or garden wall along the heading."""
    rng = kit.rng
    side = str(rng.choice(["foliage", "brick", "pole"], p=[0.5, 0.3, 0.2]))
    thick = 0.4 if side == "foliage" else 0.12
    rings = box(thick, half_length, float(rng.uniform(0.7, 1.9)))
    return [kit.solid(place, rings, (side, side), kit.colour(0.6, 1.2, 0.2), id)]


def building(kit: Kit, place: Place, half_width: float, half_length: float, id: int) -> list[Solid]:
    """A block of flats or a house with a roof, with ledges, porches and bays; its road side faces -x."""
    rng = kit.rng
    names = [*FACADES, *FACADES, "brick"]
    facade = names[rng.integers(len(names))]
    height = float(rng.uniform(4.0, 7.0) if rng.random() < 0.4 else rng.uniform(7.0, 18.0))
    colour = kit.colour(0.65, 1.25, 0.12)
    rings = box(half_width, half_length, height, -1.0)
    parts = [kit.solid(place, rings, (facade, "roof"), colour, id)]
    if height < 8.0 and rng.random() < 0.7:
        ridge = height + float(rng.uniform(1.5, 3.5))
        roof = ((half_width + 0.4, half_length + 0.3, height), (0.02, half_length + 0.3, ridge))
        parts.append(kit.solid(place, roof, ("roof", "roof"), kit.colour(0.6, 1.2, 0.3), id))
    if rng.random() < 0.5:
        ledge = box(half_width + 0.25, half_length + 0.2, 3.6, 3.3)
        parts.append(kit.solid(place, ledge, ("pavement", "pavement"), kit.colour(0.6, 1.1, 0.15), id))
    for _ in range(int(rng.integers(0, 4))):
        along = float(rng.uniform(-0.85, 0.85)) * half_length
        out, half = float(rng.uniform(0.4, 1.4)), float(rng.uniform(0.6, 1.8))
        foot, top = (SUNK, 2.6) if rng.random() < 0.5 else (3.0, min(height, 6.0))
        where = shifted(place, -half_width, along)
        side = str(rng.choice(["brick", "sign", "glass", facade]))
        bay = kit.solid(where, box(out, half, top, foot), (side, "roof"), kit.colour(0.6, 1.2, 0.3), id)
        parts.append(bay)
    return parts
