"""Procedural rooms: walls with doors and windows, furniture along them and in the middle, a moving hand."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from lumde.worlds.ground import GROUND, quads
from lumde.worlds.indoor import AT_WALLS, FREE, Piece, clutter
from lumde.worlds.kit import Kit, Place, box, shifted
from lumde.worlds.motion import handheld
from lumde.worlds.patterns_indoor import TILE_M, paint_room
from lumde.worlds.scene import Light, Surfaces, World, join
from lumde.worlds.solids import Solid, triangulate
from lumde.worlds.textures import SIZE

_CLEAR = 0.3  # metres between the camera and anything as high as it
_TRIES = 400  # places of a camera that are looked at


@dataclass
class _Room:
    """A room's box, x from -half_width to half_width, z from 0 to length, and what stands in it."""

    half_width: float
    length: float
    height: float
    taken: list[tuple[Place, float, float, float]] = field(default_factory=list)  # place, half sizes, height

    def walls(self) -> list[tuple[Place, float]]:
        """Middle of each wall's foot, heading into the room, and half its length."""
        middle = self.length / 2
        return [
            ((0.0, 0.0, 0.0, 0.0), self.half_width),
            ((0.0, 0.0, self.length, np.pi), self.half_width),
            ((-self.half_width, 0.0, middle, np.pi / 2), middle),
            ((self.half_width, 0.0, middle, -np.pi / 2), middle),
        ]

    def is_free(self, place: Place, reach: float, above: float = 0.0) -> bool:
        """Whether a disc around a place touches nothing that is higher than `above`, and no wall."""
        x, _, z, _ = place
        if abs(x) > self.half_width - reach or not reach < z < self.length - reach:
            return False
        for (tx, _, tz, heading), half_width, half_depth, height in self.taken:
            if height < above:
                continue
            sine, cosine = np.sin(heading), np.cos(heading)
            across, along = (x - tx) * cosine - (z - tz) * sine, (x - tx) * sine + (z - tz) * cosine
            gap = np.hypot(max(abs(across) - half_width, 0.0), max(abs(along) - half_depth, 0.0))
            if gap < reach:
                return False
        return True


def make_room(seed: int) -> World:
    """Draw a whole room: textures, furniture, light, camera and its way. Same seed, same world."""
    rng = np.random.default_rng(seed)
    atlas = paint_room(rng)
    kit = Kit(rng, atlas.names, TILE_M)
    width, length = np.clip(np.exp(rng.normal(np.log(4.2), 0.3, 2)), 2.4, 9.0)
    room = _Room(float(width) / 2, float(length), float(rng.uniform(2.3, 3.1)))
    solids = [solid for wall in room.walls() for solid in _along_wall(kit, room, *wall)]
    solids += _in_the_middle(kit, room)
    shell = _shell(kit, room)
    fov_deg = float(rng.uniform(46.0, 85.0))
    start, yaw, pitch = _view(rng, room)
    poses = handheld(rng, start, yaw, pitch)
    surfaces = join([shell, triangulate(solids)])
    return World(seed, surfaces, len(shell.ids), (), atlas, _lamp(rng), fov_deg, poses)


def _lamp(rng: np.random.Generator) -> Light:
    """Diffuse light with a soft-edged main direction from above: a lamp or a window."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(np.radians(35), np.radians(85))
    towards = np.array(
        [np.cos(elevation) * np.sin(azimuth), -np.sin(elevation), np.cos(elevation) * np.cos(azimuth)]
    )
    share, exposure = rng.uniform(0.1, 0.6), rng.uniform(0.75, 1.35)
    warm = np.array([1 + rng.uniform(-0.06, 0.16), 1.0, 1 - rng.uniform(-0.08, 0.2)])
    return Light(towards, exposure * share * warm, exposure * (1.1 - 0.6 * share) * warm)


def _shell(kit: Kit, room: _Room) -> Surfaces:
    """Floor, ceiling and four walls, each one quad."""
    side, end = room.half_width, room.length
    around = ((-side, 0.0), (side, 0.0), (side, end), (-side, end))
    floor, lid = ([(x, y, z) for x, z in around] for y in (0.0, -room.height))
    faces = [("floor", GROUND, floor), ("ceiling", kit.new_id(), lid)]
    for i in range(4):
        j = (i + 1) % 4
        faces.append((f"wall{i % 2}", kit.new_id(), [floor[i], floor[j], lid[j], lid[i]]))
    return join([_face(kit, name, id, np.array(points)) for name, id, points in faces])


def _face(kit: Kit, name: str, id: int, points: Float[np.ndarray, "4 3"]) -> Surfaces:
    """A rectangle from its corners in order; u runs along the first edge, v along the last."""
    a, b, c, d = points
    width, height = np.sqrt(((b - a) ** 2).sum()), np.sqrt(((d - a) ** 2).sum())
    scale = SIZE / np.array(TILE_M[name])
    texels = np.array([[[0, 0], [width, 0]], [[0, height], [width, height]]]) * scale
    face = quads(np.array([[a, b], [d, c]]), texels, kit.textures.index(name), id)
    return Surfaces(face.corners, face.uv, face.texture, face.colour * kit.colour(0.7, 1.15, 0.1), face.ids)


def _along_wall(kit: Kit, room: _Room, foot: Place, half_length: float) -> list[Solid]:
    """Furniture with gaps along one wall, and what hangs on it where nothing tall stands."""
    rng, solids = kit.rng, []
    density = rng.uniform(0.5, 1.0)
    along = -half_length + float(rng.uniform(0.0, 0.6))
    while along < half_length - 0.5:
        piece = _choose(rng, AT_WALLS)
        half_width, half_depth, height = (float(rng.uniform(*r)) for r in piece[1:4])
        half_width = min(half_width, (half_length - along) / 2)
        place = shifted(foot, along + half_width, half_depth + 0.02)
        tall = 0.0
        reach = max(half_depth, 0.3)
        if rng.random() < density and half_width > 0.2 and room.is_free(place, min(reach, half_width) * 0.99):
            solids += piece.make(kit, place, half_width, half_depth, height)
            room.taken.append((place, half_width, half_depth, height))
            tall = 2.2 if piece.make.__name__ in ("shelf", "tall_box") else 1.3
        solids += _on_wall(kit, room, shifted(foot, along + half_width, 0.03), half_width, tall)
        along += 2 * half_width + float(rng.choice([0.02, rng.uniform(0.1, 1.2)]))
    return solids


def _on_wall(kit: Kit, room: _Room, place: Place, half_width: float, tall: float) -> list[Solid]:
    """A window, door, picture or screen on a stretch of wall, above what stands there."""
    rng, id = kit.rng, kit.new_id()
    kind, room_above = rng.choice(5, p=[0.25, 0.15, 0.4, 0.08, 0.12]), room.height - tall - 0.15
    if kind == 1 and tall == 0.0 and half_width > 0.35:
        return [kit.panel(place, float(rng.uniform(0.38, 0.46)), 2.05, "door", id)]
    if kind == 4 or room_above < 0.4:
        return []
    if kind == 0:
        foot, half = max(tall, 0.85) + 0.05, min(half_width, float(rng.uniform(0.4, 1.0)))
        high = min(room.height - foot - 0.1, float(rng.uniform(0.9, 1.5)))
        return [kit.panel(shifted(place, 0.0, 0.0, foot), half, high, "window", id)] if high > 0.3 else []
    foot = max(tall, 1.2) + float(rng.uniform(0.05, 0.25))
    half = min(half_width, float(rng.uniform(0.12, 0.5)))
    high = min(room.height - foot - 0.05, half * float(rng.uniform(0.8, 3.0)))
    name = "screen" if kind == 3 else str(rng.choice(["poster", "sign", "poster"]))
    return [kit.panel(shifted(place, 0.0, 0.0, foot), half, high, name, id)] if high > 0.15 else []


def _in_the_middle(kit: Kit, room: _Room) -> list[Solid]:
    """Tables and other free pieces, a rug, things on the floor."""
    rng, solids = kit.rng, []
    if rng.random() < 0.4:
        place = (0.0, 0.0, room.length / 2, float(rng.uniform(0, 0.3)))
        rug = box(0.5 * room.half_width, 0.25 * room.length, 0.012, 0.0)
        solids.append(kit.solid(place, rug, ("cloth", "cloth"), kit.colour(0.5, 1.4, 0.4), kit.new_id()))
    for _ in range(int(rng.integers(0, 4))):
        piece = _choose(rng, FREE)
        half_width, half_depth, height = (float(rng.uniform(*r)) for r in piece[1:4])
        place = _somewhere(rng, room)
        if room.is_free(place, half_width + 0.1):
            solids += piece.make(kit, place, half_width, half_depth, height)
            reach = 0.5 if piece.make.__name__ == "dining" else 0.0
            room.taken.append((place, half_width, half_depth + reach, height))
    return solids + clutter(kit, (0.0, 0.0, room.length / 2, 0.0), room.half_width, room.length / 2, 2.0)


def _choose(rng: np.random.Generator, pieces: dict[str, Piece]) -> Piece:
    weights = np.array([piece.weight for piece in pieces.values()])
    return list(pieces.values())[rng.choice(len(weights), p=weights / weights.sum())]


def _somewhere(rng: np.random.Generator, room: _Room) -> Place:
    x = float(rng.uniform(-room.half_width, room.half_width))
    return x, 0.0, float(rng.uniform(0, room.length)), float(rng.uniform(-np.pi, np.pi))


def _view(rng: np.random.Generator, room: _Room) -> tuple[tuple[float, float, float], float, float]:
    """Where the camera starts, and where it looks: over a table beside it, or at what stands further off."""
    tables = [taken for taken in room.taken if 0.4 < taken[3] < 1.1 and min(taken[1:3]) > 0.25]
    if tables and rng.random() < 0.4:
        view = _across(rng, room, tables[rng.integers(len(tables))])
        if view:
            return view
    height = float(rng.uniform(0.6, 1.8))
    for attempt in range(_TRIES):
        place = _somewhere(rng, room)
        reach = _CLEAR + 0.45 * (1 - attempt / _TRIES)  # less and less if no place is found
        if room.is_free(place, reach, above=height - 0.3):
            break
    else:
        place, height = (0.0, 0.0, room.length / 2, 0.0), 2.0  # above all that stands in the middle
    targets = [(p[0], p[2], h * 0.7) for p, _, _, h in room.taken]
    far = [t for t in targets if np.hypot(t[0] - place[0], t[1] - place[2]) > 1.4]
    if far and rng.random() < 0.85:
        x, z, up = far[rng.integers(len(far))]
    else:
        x, z, up = float(rng.uniform(-1, 1)) * room.half_width, float(rng.uniform(0, room.length)), 1.0
    return _looking(rng, (place[0], -height, place[2]), (x, -up, z))


def _across(
    rng: np.random.Generator, room: _Room, table: tuple[Place, float, float, float]
) -> tuple[tuple[float, float, float], float, float] | None:
    """A view from beside a table over its top; None if there is no room to stand."""
    place, half_width, half_depth, top = table
    for _ in range(12):
        side = rng.uniform(-np.pi, np.pi)
        away = float(rng.uniform(0.05, 0.5))
        across, along = (half_width + away) * float(np.sin(side)), (half_depth + away) * float(np.cos(side))
        x, _, z, _ = shifted(place, across, along)
        height = top + float(rng.uniform(0.35, 0.9))
        if room.is_free((x, 0.0, z, 0.0), 0.15, above=height - 0.2):
            beyond = float(rng.uniform(0.0, 1.0))  # the far edge, or the middle
            aim = shifted(place, -beyond * across, -beyond * along, top)[:3]
            return _looking(rng, (x, -height, z), aim)
    return None


def _looking(
    rng: np.random.Generator, eye: tuple[float, float, float], aim: tuple[float, float, float]
) -> tuple[tuple[float, float, float], float, float]:
    """Start, yaw and pitch of a camera that looks about at a point."""
    x, down, z = (a - b for a, b in zip(aim, eye, strict=True))
    distance = max(float(np.hypot(x, z)), 0.5)
    yaw = float(np.arctan2(x, z)) + float(rng.normal(0, 0.2))
    pitch = float(np.clip(np.arctan2(down, distance), -0.2, 0.7)) + float(rng.normal(0, 0.08))
    return eye, yaw, pitch
