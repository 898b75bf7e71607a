"""What only the shifted test set is made of: surfaces and things that no training world has."""

import numpy as np

from lumde.worlds.kit import Kit, Place
from lumde.worlds.patterns import PAINTERS, Noise, Painter, near_grey, paint_atlas
from lumde.worlds.solids import Solid
from lumde.worlds.textures import SIZE, Atlas, Field, Picture


def paint_odd(rng: np.random.Generator) -> Atlas:
    """A street's textures by their names, painted with dots, chequers, waves and blots; the sky as ever."""
    kinds: tuple[Painter, ...] = (_dots, _chequers, _waves, _blots)
    noise = Noise(rng)
    drawn = {name: kinds[rng.integers(len(kinds))] for name in PAINTERS}
    return paint_atlas(rng, noise, {**drawn, "sky": PAINTERS["sky"]})


def monument(kit: Kit, place: Place, id: int) -> list[Solid]:
    """A turned column, urn or skittle on a slab, as tall as a table or as a van."""
    rng = kit.rng
    width, height = float(rng.uniform(0.3, 0.9)), float(rng.uniform(0.6, 3.2))
    profile = width * rng.uniform(0.2, 1.0, int(rng.integers(4, 8)))
    rings = tuple(
        (float(w), float(w), float(h))
        for w, h in zip(profile, np.linspace(0.15, height, len(profile)), strict=True)
    )
    slab = ((1.1 * width, 1.1 * width, 0.0), (1.1 * width, 1.1 * width, 0.15))
    return [
        kit.solid(place, slab, ("pole", "pole"), kit.colour(0.5, 1.1, 0.1), id),
        kit.solid(place, rings, ("body", "body"), kit.colour(0.4, 1.4, 0.5), id, corners=6),
    ]


def _mixed(rng: np.random.Generator, noise: Noise, share: Field) -> Picture:
    """Two colours by a pattern of 0..1, slightly uneven, so that no part is without any contrast."""
    dark, light = rng.uniform(0.08, 0.35), rng.uniform(0.5, 0.9)
    colours = [level * near_grey(rng, 0.4) for level in (dark, light)]
    picture = colours[0] + share[..., None] * (colours[1] - colours[0])
    return (picture * (1 + 0.06 * noise.draw()[..., None])).astype(np.float32)


def _axes(rng: np.random.Generator, fewest: int, most: int) -> tuple[Field, Field]:
    """Coordinates that count the cells of a grid; it tiles."""
    rows, columns = np.indices((SIZE, SIZE)) / SIZE
    cells = int(rng.integers(fewest, most + 1))
    return rows * cells, columns * cells


def _dots(rng: np.random.Generator, noise: Noise) -> Picture:
    v, u = _axes(rng, 3, 8)
    distance = np.hypot(v % 1 - 0.5, u % 1 - 0.5)
    return _mixed(rng, noise, (distance < rng.uniform(0.2, 0.4)).astype(np.float32))


def _chequers(rng: np.random.Generator, noise: Noise) -> Picture:
    v, u = _axes(rng, 2, 5)
    return _mixed(rng, noise, ((np.floor(2 * v) + np.floor(2 * u)) % 2).astype(np.float32))


def _waves(rng: np.random.Generator, noise: Noise) -> Picture:
    v, u = _axes(rng, 2, 6)
    bent = v + rng.uniform(0.1, 0.4) * np.sin(2 * np.pi * u)
    return _mixed(rng, noise, (0.5 + 0.5 * np.sin(2 * np.pi * bent)).astype(np.float32))


def _blots(rng: np.random.Generator, noise: Noise) -> Picture:
    return _mixed(rng, noise, np.clip(np.round(noise.draw() + 1), 0, 2) / 2)
