"""What the makers of worlds build with: a random source, textures and ids, and solids placed in a scene."""

from collections.abc import Mapping
from colorsys import hsv_to_rgb
from dataclasses import dataclass

import numpy as np

from lumde.worlds.patterns import near_grey
from lumde.worlds.solids import Solid

Place = tuple[float, float, float, float]  # x, y (down), z, heading
Colour = tuple[float, float, float]
Rings = tuple[tuple[float, float, float], ...]
SUNK = -0.4  # metres: feet reach below the land, which is not flat under them


@dataclass
class Kit:
    """The random source, the textures and the next free object id of one world."""

    rng: np.random.Generator
    textures: tuple[str, ...]
    tile_m: Mapping[str, tuple[float, float]]  # extent of one picture of each texture on a surface, metres
    next_id: int = 2  # 0 is the sky, 1 the ground or floor

    def new_id(self) -> int:
        """A fresh object id."""
        self.next_id += 1
        return self.next_id - 1

    def colour(self, low: float, high: float, spread: float) -> Colour:
        """A reflectance of random brightness, warmer or cooler than grey."""
        r, g, b = self.rng.uniform(low, high) * near_grey(self.rng, spread)
        return float(r), float(g), float(b)

    def vivid(self, low: float, high: float) -> Colour:
        """A strong colour of any hue, its brightest channel within the limits."""
        hue, saturation, value = self.rng.random(), self.rng.uniform(0.55, 0.95), self.rng.uniform(low, high)
        return hsv_to_rgb(float(hue), float(saturation), float(value))

    def solid(
        self, place: Place, rings: Rings, names: tuple[str, str], colour: Colour, id: int, corners: int = 4
    ) -> Solid:
        """A solid with the named textures on sides and top, at their usual sizes, shifted at random."""
        side, top = names
        shift = float(self.rng.uniform(0, 20.0))
        where = self.textures.index(side), self.textures.index(top)
        return Solid(place, rings, id, *where, colour, self.tile_m[side], self.tile_m[top], shift, corners)

    def panel(
        self, place: Place, half_width: float, height: float, name: str, id: int, half_depth: float = 0.02
    ) -> Solid:
        """A thin upright board whose texture covers its front exactly, its foot at `place`."""
        where = self.textures.index(name)
        tile = (2 * half_width, height)
        rings = box(half_width, half_depth, height, 0.0)
        return Solid(place, rings, id, where, where, self.colour(0.8, 1.15, 0.08), tile, tile)


def shifted(place: Place, across: float, along: float, up: float = 0.0) -> Place:
    """A place moved within its own frame."""
    x, y, z, heading = place
    sine, cosine = float(np.sin(heading)), float(np.cos(heading))
    return x + across * cosine + along * sine, y - up, z - across * sine + along * cosine, heading


def box(half_width: float, half_length: float, top: float, foot: float = SUNK) -> Rings:
    """Rings of an upright box."""
    return (half_width, half_length, foot), (half_width, half_length, top)
