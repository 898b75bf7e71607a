"""Scattered shapes under random textures, with none of the regularities of streets and rooms."""

import numpy as np
from jaxtyping import Float

from lumde.worlds import patterns, patterns_indoor
from lumde.worlds.ground import GROUND, make_sky, quads
from lumde.worlds.kit import Kit, Place, Rings, box
from lumde.worlds.motion import MAX_FRAMES, handheld
from lumde.worlds.patterns import Noise, paint_atlas
from lumde.worlds.scene import Light, Surfaces, World, join
from lumde.worlds.solids import Solid, triangulate
from lumde.worlds.textures import SIZE, Atlas

_PAINTERS = {**patterns.PAINTERS, **patterns_indoor.PAINTERS}
_TEXTURES = 10  # of all painters, drawn per world; each is painted afresh
_UNIT = 2.0  # metres of a world whose scale is 1


def make_shapes(seed: int) -> World:
    """Draw solids on and above a wavy floor, from a table's scale to a square's. Same seed, same world."""
    rng = np.random.default_rng(seed)
    atlas = _paint(rng)
    scale = _UNIT * float(np.exp(rng.uniform(np.log(0.3), np.log(6.0))))
    tile = float(scale * rng.uniform(0.3, 1.2))
    kit = Kit(rng, atlas.names, dict.fromkeys(atlas.names, (tile, tile)))
    solids = [
        solid
        for _ in range(int(rng.integers(25, 90)))
        for solid in _thing(kit, _somewhere(rng, scale), scale * float(np.exp(rng.normal(-1.5, 0.6))))
    ]
    sky = make_sky(atlas.index("sky"), (0.0, 0.0))
    surfaces = join([sky, _floor(kit, scale, tile), triangulate(solids)])
    height = float(scale * rng.uniform(0.3, 1.2))
    pitch = float(rng.uniform(-0.05, 0.45))
    poses = _travel(rng, handheld(rng, (0.0, -height, 0.0), 0.0, pitch), scale)
    return World(seed, surfaces, len(sky.ids), (), atlas, _light(rng), float(rng.uniform(46.0, 95.0)), poses)


def _paint(rng: np.random.Generator) -> Atlas:
    """A sky, and textures of streets and rooms in any mixture."""
    noise, names = Noise(rng), [name for name in _PAINTERS if name != "sky"]
    chosen = ["sky", *(names[i] for i in rng.permutation(len(names))[:_TEXTURES])]
    return paint_atlas(rng, noise, {name: _PAINTERS[name] for name in chosen})


def _somewhere(rng: np.random.Generator, scale: float) -> Place:
    """A place before the camera, more of them near than far, some above the floor."""
    z = scale * float(np.exp(rng.uniform(np.log(0.9), np.log(12.0))))
    x = z * float(rng.uniform(-1.1, 1.1))
    up = scale * float(rng.choice([0.0, rng.uniform(0.0, 2.0)], p=[0.7, 0.3]))
    return x, -up, z, float(rng.uniform(-np.pi, np.pi))


def _thing(kit: Kit, place: Place, size: float) -> list[Solid]:
    """One solid of two to five rings: box, cone, barrel, vase, plate or pole."""
    rng, id = kit.rng, kit.new_id()
    names = [name for name in kit.textures if name != "sky"]
    side, top = (str(rng.choice(names)) for _ in range(2))
    half_width, half_depth, height = size * np.exp(rng.normal(0, 0.5, 3))
    corners = int(rng.choice([4, 6]))
    rings: Rings = box(float(half_width), float(half_depth), float(height), 0.0)
    if rng.random() < 0.6:
        heights = np.linspace(0.0, 2 * height, int(rng.integers(2, 6)))
        widths = rng.uniform(0.25, 1.0, len(heights))
        rings = tuple(
            (float(half_width * w), float(half_depth * w), float(h))
            for w, h in zip(widths, heights, strict=True)
        )
    return [kit.solid(place, rings, (side, top), kit.colour(0.4, 1.5, 0.6), id, corners)]


def _floor(kit: Kit, scale: float, tile: float) -> Surfaces:
    """A wavy floor around the camera."""
    rng, cells = kit.rng, 24
    name = str(rng.choice([name for name in kit.textures if name != "sky"]))
    axis = np.linspace(-14.0, 14.0, cells) * scale
    x, z = np.meshgrid(axis, axis, indexing="ij")
    wave, phase = rng.uniform(0.2, 1.2) / scale, rng.uniform(0, 2 * np.pi, 2)
    height = scale * rng.uniform(0, 0.12)
    down = height * np.sin(x * wave + phase[0]) * np.sin(z * wave + phase[1]) + 0.3 * height
    points, texels = np.stack([x, down, z], -1), np.stack([x, z], -1) * (SIZE / tile)
    rows = [
        quads(
            points[i : i + 2].swapaxes(0, 1),
            texels[i : i + 2].swapaxes(0, 1),
            kit.textures.index(name),
            GROUND,
        )
        for i in range(cells - 1)
    ]
    return join(rows)


def _travel(
    rng: np.random.Generator, poses: Float[np.ndarray, "n 4 4"], scale: float
) -> Float[np.ndarray, "n 4 4"]:
    """The same way with steps that suit the scale, and a drift forward or sideways."""
    moved, start = poses.copy(), poses[0, :3, 3]
    drift = rng.uniform(-0.012, 0.012), 0.0, rng.uniform(-0.005, 0.015)
    frames = np.arange(MAX_FRAMES)[:, None]
    moved[:, :3, 3] = start + 0.5 * scale * ((poses[:, :3, 3] - start) + frames * np.array(drift))
    return moved


def _light(rng: np.random.Generator) -> Light:
    """Any direction from above, any share of direct light."""
    towards = rng.normal(size=3) * (1, 0.6, 1)
    towards[1] = -abs(towards[1]) - 0.4
    share, tint = rng.uniform(0, 0.8), rng.uniform(0.9, 1.1, 3)
    exposure = rng.uniform(0.7, 1.3)
    return Light(
        towards / np.sqrt((towards**2).sum()), exposure * share * tint, exposure * (1 - 0.5 * share) * tint
    )
