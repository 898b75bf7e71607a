"""What hangs on a room's walls: windows, doors, pictures, screens, papers and small shelves."""

from lumde.worlds.indoor import paint
from lumde.worlds.kit import Kit, Place, box, shifted
from lumde.worlds.solids import Solid
from lumde.worlds.things import clutter

_SHARES = {
    "window": 0.22,
    "door": 0.13,
    "picture": 0.27,
    "screen": 0.08,
    "papers": 0.14,
    "shelf": 0.08,
    "nothing": 0.08,
}
_LEAST = 0.4  # metres of wall, from what stands before it to the ceiling


def hang(kit: Kit, place: Place, half_width: float, tall: float, ceiling: float) -> list[Solid]:
    """Fill a stretch of wall.

    Args:
        kit: the room's.
        place: foot of the stretch's middle.
        half_width: of the stretch, metres.
        tall: height up to which something stands before it, 0 = bare down to the floor.
        ceiling: the room's height.
    """
    kind = str(kit.rng.choice(list(_SHARES), p=list(_SHARES.values())))
    if kind == "door" and tall == 0.0 and half_width > 0.35:
        return [kit.panel(place, float(kit.rng.uniform(0.38, 0.46)), 2.05, "door", kit.new_id())]
    if kind in ("nothing", "door") or ceiling - tall - 0.15 < _LEAST:
        return []
    if kind == "window":
        return _window(kit, place, half_width, tall, ceiling)
    foot = max(tall, 1.2) + float(kit.rng.uniform(0.05, 0.25))
    if kind == "papers":
        return _papers(kit, place, half_width, foot, ceiling)
    if kind == "shelf":
        return _shelf(kit, place, half_width, foot)
    half = min(half_width, float(kit.rng.uniform(0.12, 0.5)))
    high = min(ceiling - foot - 0.05, half * float(kit.rng.uniform(0.8, 3.0)))
    name = "screen" if kind == "screen" else str(kit.rng.choice(["poster", "sign", "poster"]))
    return [kit.panel(shifted(place, 0.0, 0.0, foot), half, high, name, kit.new_id())] if high > 0.15 else []


def _window(kit: Kit, place: Place, half_width: float, tall: float, ceiling: float) -> list[Solid]:
    foot, half = max(tall, 0.85) + 0.05, min(half_width, float(kit.rng.uniform(0.4, 1.0)))
    high = min(ceiling - foot - 0.1, float(kit.rng.uniform(0.9, 1.5)))
    where = shifted(place, 0.0, 0.0, foot)
    return [kit.panel(where, half, high, "window", kit.new_id())] if high > 0.3 else []


def _papers(kit: Kit, place: Place, half_width: float, foot: float, ceiling: float) -> list[Solid]:
    """Sheets, cards and small pictures, some over each other."""
    parts = []
    for _ in range(int(kit.rng.integers(3, 13))):
        half = float(kit.rng.uniform(0.05, 0.16))
        high = half * float(kit.rng.uniform(1.2, 3.0))
        across = float(kit.rng.uniform(-0.9, 0.9)) * half_width
        up = foot + float(kit.rng.uniform(0.0, max(min(0.9, ceiling - foot - high), 0.0)))
        name = str(kit.rng.choice(["sign", "poster", "plain", "plain"]))
        where = shifted(place, across, float(kit.rng.uniform(0.0, 0.02)), up)
        parts.append(kit.panel(where, half, high, name, kit.new_id(), half_depth=0.01))
    return parts


def _shelf(kit: Kit, place: Place, half_width: float, foot: float) -> list[Solid]:
    """One or two boards with things on them."""
    colour, parts = paint(kit, 0.5, 1.3, 0.2), []
    for level in range(int(kit.rng.integers(1, 3))):
        board = shifted(place, 0.0, 0.1, foot + 0.35 * level)
        parts.append(
            kit.solid(board, box(half_width, 0.1, 0.025, 0.0), ("wood", "wood"), colour, kit.new_id())
        )
        parts += clutter(kit, shifted(board, 0.0, 0.0, 0.025), half_width, 0.1, 8 * half_width)
    return parts
