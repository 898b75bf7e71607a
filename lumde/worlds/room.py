"""Procedural rooms: walls with doors and windows, furniture along them and in the middle, a moving hand."""

import numpy as np
from jaxtyping import Float

from lumde.worlds.floorplan import Room
from lumde.worlds.ground import GROUND, quads
from lumde.worlds.indoor import AT_WALLS, FREE, Piece, fitted
from lumde.worlds.kit import Kit, Place, box, shifted
from lumde.worlds.on_walls import hang
from lumde.worlds.patterns_indoor import TILE_M, paint_room
from lumde.worlds.room_camera import walk
from lumde.worlds.scene import Light, Surfaces, World, join
from lumde.worlds.solids import Solid, triangulate
from lumde.worlds.textures import SIZE
from lumde.worlds.things import clutter


def make_room(seed: int) -> World:
    """Draw a whole room: textures, furniture, light, camera and its way. Same seed, same world."""
    rng = np.random.default_rng(seed)
    atlas = paint_room(rng)
    kit = Kit(rng, atlas.names, TILE_M)
    width, length = np.clip(np.exp(rng.normal(np.log(4.2), 0.3, 2)), 2.4, 9.0)
    room = Room(float(width) / 2, float(length), float(rng.uniform(2.3, 3.1)))
    pieces = {**AT_WALLS, "cabinet": fitted(kit)} if rng.random() < 0.4 else AT_WALLS
    solids = [solid for wall in room.walls() for solid in _along_wall(kit, room, pieces, *wall)]
    solids += _in_the_middle(kit, room)
    shell = _shell(kit, room)
    fov_deg = float(rng.uniform(46.0, 85.0))
    room.furnish(solids)
    poses = walk(rng, room)
    surfaces = join([shell, triangulate(solids)])
    light = _lamp(rng)
    return World(seed, surfaces, len(shell.ids), (), atlas, light, fov_deg, poses, indoors=True)


def _lamp(rng: np.random.Generator) -> Light:
    """Diffuse light with a soft-edged main direction from above: a lamp or a window."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(np.radians(35), np.radians(85))
    towards = np.array(
        [np.cos(elevation) * np.sin(azimuth), -np.sin(elevation), np.cos(elevation) * np.cos(azimuth)]
    )
    share, exposure = rng.uniform(0.1, 0.6), rng.uniform(0.75, 1.35)
    warm = np.array([1 + rng.uniform(-0.06, 0.16), 1.0, 1 - rng.uniform(-0.08, 0.2)])
    return Light(towards, exposure * share * warm, exposure * (1.1 - 0.6 * share) * warm)


def _shell(kit: Kit, room: Room) -> Surfaces:
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


def _along_wall(
    kit: Kit, room: Room, pieces: dict[str, Piece], foot: Place, half_length: float
) -> list[Solid]:
    """Furniture with gaps along one wall, and what hangs on it where nothing tall stands."""
    rng, solids = kit.rng, []
    density = rng.uniform(0.5, 1.0)
    along = -half_length + float(rng.uniform(0.0, 0.6))
    while along < half_length - 0.5:
        piece = _choose(rng, pieces)
        half_width, half_depth, height = (float(rng.uniform(*r)) for r in piece[1:4])
        half_width = min(half_width, (half_length - along) / 2)
        place = shifted(foot, along + half_width, half_depth + 0.02)
        tall = 0.0
        reach = max(half_depth, 0.3)
        if rng.random() < density and half_width > 0.2 and room.is_free(place, min(reach, half_width) * 0.99):
            solids += piece.make(kit, place, half_width, half_depth, height)
            room.taken.append((place, half_width, half_depth, height))
            tall = piece.hides
        solids += hang(kit, shifted(foot, along + half_width, 0.03), half_width, tall, room.height)
        along += 2 * half_width + float(rng.choice([0.02, rng.uniform(0.1, 1.2)]))
    return solids


def _in_the_middle(kit: Kit, room: Room) -> list[Solid]:
    """Tables and other free pieces, a rug, things on the floor."""
    rng, solids = kit.rng, []
    if rng.random() < 0.4:
        place = (0.0, 0.0, room.length / 2, float(rng.uniform(0, 0.3)))
        rug = box(0.5 * room.half_width, 0.25 * room.length, 0.012, 0.0)
        solids.append(kit.solid(place, rug, ("cloth", "cloth"), kit.colour(0.5, 1.4, 0.4), kit.new_id()))
    for _ in range(int(rng.integers(0, 4))):
        piece = _choose(rng, FREE)
        half_width, half_depth, height = (float(rng.uniform(*r)) for r in piece[1:4])
        place = room.somewhere(rng)
        if room.is_free(place, half_width + 0.1):
            solids += piece.make(kit, place, half_width, half_depth, height)
            room.taken.append((place, half_width, half_depth + piece.around, height))
    return solids + clutter(kit, (0.0, 0.0, room.length / 2, 0.0), room.half_width, room.length / 2, 2.0)


def _choose(rng: np.random.Generator, pieces: dict[str, Piece]) -> Piece:
    weights = np.array([piece.weight for piece in pieces.values()])
    return list(pieces.values())[rng.choice(len(weights), p=weights / weights.sum())]
