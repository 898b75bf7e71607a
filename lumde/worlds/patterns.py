"""What streets are painted with: 1/f noise under roads, paving, facades with windows, foliage, vehicles, sky.

Every picture tiles. Contrast at all scales up to the tile's size keeps far surfaces, which are seen through
the small levels only, from turning flat.
"""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from lumde.worlds.textures import SIZE, Atlas, Field, Picture, make_atlas

FACADES = ("facade0", "facade1", "facade2", "facade3")
WINDOWS = 4  # per facade picture and axis
TILE_M = {  # extent of one picture on a surface, metres (across, along)
    "road": (1.0, 12.0),  # across: set by the street, once over the road's width
    "pavement": (5.0, 5.0),
    "verge": (9.0, 9.0),
    "facade0": (12.0, 12.0),
    "facade1": (13.0, 12.8),
    "facade2": (10.0, 11.2),
    "facade3": (15.0, 13.2),
    "brick": (5.0, 5.0),
    "roof": (6.0, 6.0),
    "body": (5.0, 2.5),
    "glass": (3.0, 1.2),
    "foliage": (3.5, 3.5),
    "pole": (1.5, 3.0),
    "sign": (2.0, 2.0),
    "sky": (1.0, 1.0),  # set by the street
}


class Noise:
    """A stock of tiling 1/f fields with zero mean and unit deviation, handed out shifted and mirrored."""

    def __init__(self, rng: np.random.Generator, num_fields: int = 3) -> None:
        self.rng = rng
        rows = np.fft.fftfreq(SIZE)[:, None] * SIZE
        frequency = np.sqrt(rows**2 + rows.T**2)
        frequency[0, 0] = np.inf
        self.fields: list[Field] = []
        for exponent in np.linspace(1.0, 1.35, num_fields):
            white = rng.standard_normal((2, SIZE, SIZE))
            spectrum = (white[0] + 1j * white[1]) / frequency**exponent
            both = np.fft.ifft2(spectrum)
            self.fields += [(f / f.std()).astype(np.float32) for f in (both.real, both.imag)]

    def draw(self, stretch_u: int = 1, stretch_v: int = 1) -> Field:
        """One field within 2.5 deviations of zero; a stretch of 4 enlarges half of a quarter of an axis."""
        chosen = self.fields[self.rng.integers(len(self.fields))]
        shift = tuple(int(s) for s in self.rng.integers(0, SIZE, 2))
        field = np.roll(chosen, shift, (0, 1))
        if self.rng.random() < 0.5:
            field = field.T
        if stretch_u > 1 or stretch_v > 1:
            rows, columns = np.arange(SIZE) // stretch_v, np.arange(SIZE) // stretch_u
            field = field[_mirrored(rows, stretch_v)][:, _mirrored(columns, stretch_u)]
        return np.clip(field, -2.5, 2.5)


def _mirrored(index: np.ndarray, stretch: int) -> np.ndarray:
    """Indices that run forth and back, so that an enlarged part still tiles."""
    return index if stretch == 1 else np.minimum(2 * index, 2 * index[::-1])


def near_grey(rng: np.random.Generator, spread: float) -> Float[np.ndarray, " 3"]:
    """RGB around 1, mostly along the warm-cool axis, as most of a street's materials."""
    warm, green = rng.uniform(-spread, spread), rng.uniform(-0.35 * spread, 0.35 * spread)
    return np.array([1 + warm, 1 + green, 1 - warm])


def tinted(rng: np.random.Generator, grey: Field, spread: float = 0.08) -> Picture:
    """A grey picture in a colour drawn near grey."""
    return grey[..., None] * near_grey(rng, spread).astype(np.float32)


def speckled(rng: np.random.Generator, noise: Noise, mean: float, contrast: float, spread: float) -> Picture:
    """Noise around a mean with slow shifts of hue."""
    picture = tinted(rng, mean + contrast * noise.draw(), spread)
    hue = 0.25 * contrast * noise.draw()
    picture[..., 0] += hue
    picture[..., 2] -= hue
    return picture


def paint_road(rng: np.random.Generator, noise: Noise) -> Picture:
    """Asphalt with wheel tracks, patches, cracks, covers, dashes in the middle and lines along the edges."""
    picture = speckled(rng, noise, rng.uniform(0.3, 0.5), rng.uniform(0.05, 0.09), 0.05)
    picture += 0.05 * noise.draw(1, 4)[..., None]
    for _ in range(int(rng.integers(3, 8))):  # patches
        row, column = rng.integers(0, SIZE - 60, 2)
        height, width = rng.integers(15, 60, 2)
        picture[row : row + height, column : column + width] += np.float32(rng.uniform(-0.14, 0.1))
    crack = np.abs(noise.draw()) < rng.uniform(0.02, 0.05)
    picture[crack] -= 0.15
    for _ in range(int(rng.integers(1, 4))):  # covers
        rows, columns = np.mgrid[:SIZE, :SIZE]
        row, column = rng.integers(20, SIZE - 20, 2)
        picture[((rows - row) / 7) ** 2 + ((columns - column) / 10) ** 2 < 1] *= 0.6
    white = np.float32(rng.uniform(0.75, 0.95)) + 0.05 * noise.draw()[..., None]
    middle, dash = SIZE // 2, int(rng.integers(60, 150))
    if rng.random() < 0.8:
        picture[:dash, middle - 2 : middle + 3] = white[:dash, middle - 2 : middle + 3]
    if rng.random() < 0.6:
        for left in (8, SIZE - 12):
            picture[:, left : left + 4] = white[:, left : left + 4]
    return picture


def paint_pavement(rng: np.random.Generator, noise: Noise) -> Picture:
    """Slabs of varied brightness with dark joints."""
    per_side = int(rng.choice([4, 8, 16]))
    edge = SIZE // per_side
    slabs = np.kron(rng.normal(0, 0.07, (per_side, per_side)), np.ones((edge, edge))).astype(np.float32)
    grey = rng.uniform(0.45, 0.65) + slabs + 0.07 * noise.draw()
    joint = np.arange(SIZE) % edge < max(1, edge // 16)
    grey[joint] -= 0.15
    grey[:, joint] -= 0.15
    return tinted(rng, grey)


def paint_verge(rng: np.random.Generator, noise: Noise) -> Picture:
    """Grass, gravel or paving beside the pavement."""
    picture = speckled(rng, noise, rng.uniform(0.35, 0.5), rng.uniform(0.08, 0.13), 0.05)
    if rng.random() < 0.6:
        picture *= np.array([0.8, 1.05, 0.5], np.float32)
    return picture


def paint_facade(rng: np.random.Generator, noise: Noise) -> Picture:
    """A wall of WINDOWS x WINDOWS windows, each with its own glass and curtains; row 0 is the ground."""
    wall = rng.uniform(0.35, 0.75)
    picture = speckled(rng, noise, wall, rng.uniform(0.05, 0.1), 0.13)
    pitch = SIZE // WINDOWS
    width, height = int(pitch * rng.uniform(0.3, 0.7)), int(pitch * rng.uniform(0.35, 0.7))
    frame = int(rng.integers(2, 5))
    frame_grey, ledge = rng.uniform(0.2, 0.95), rng.random() < 0.6
    glass = rng.uniform(0.08, 0.35, (WINDOWS, WINDOWS))
    sheen = 0.06 * noise.draw()
    for row in range(WINDOWS):
        for column in range(WINDOWS):
            top = row * pitch + (pitch - height) // 2
            left = column * pitch + (pitch - width) // 2
            pane = picture[top : top + height, left : left + width]
            pane[:] = frame_grey
            inner = pane[frame:-frame, frame:-frame]
            inner[:] = glass[row, column] + sheen[: inner.shape[0], : inner.shape[1], None]
            _furnish(rng, inner, frame_grey)
            if ledge:
                picture[top - 4 : top, left - 3 : left + width + 3] = frame_grey * 0.8
    if rng.random() < 0.7:  # a band between floors
        for row in range(WINDOWS):
            picture[row * pitch : row * pitch + 4] += np.float32(rng.choice([-0.18, 0.18]))
    return picture


def _furnish(rng: np.random.Generator, pane: Float[np.ndarray, "a b 3"], frame_grey: float) -> None:
    """Give a window its curtain or blind, a crossbar, and a reflection of the sky."""
    height, width = pane.shape[:2]
    kind = rng.integers(4)
    if kind == 0:
        pane[: int(height * rng.uniform(0.3, 0.9))] += np.float32(rng.uniform(0.2, 0.5))
    elif kind == 1:
        pane[:, : width // 3] += np.float32(rng.uniform(0.15, 0.45))
    elif kind == 2:
        pane[height // 2 :] += np.float32(rng.uniform(0.1, 0.3))
    if rng.random() < 0.7:
        pane[:, width // 2 - 1 : width // 2 + 1] = frame_grey


def paint_brick(rng: np.random.Generator, noise: Noise) -> Picture:
    """Bricks in courses, each of its own shade, in stained walls."""
    rows, columns = SIZE // 8, SIZE // 16
    shade = rng.normal(0, 0.06, (rows, columns))
    grey = np.kron(shade, np.ones((8, 16))).astype(np.float32)
    for row in range(1, rows, 2):
        grey[row * 8 : row * 8 + 8] = np.roll(grey[row * 8 : row * 8 + 8], 8, 1)
    grey += rng.uniform(0.35, 0.55) + 0.09 * noise.draw()
    grey[::8] += 0.12
    return tinted(rng, grey, 0.2)


def paint_roof(rng: np.random.Generator, noise: Noise) -> Picture:
    """Rows of tiles."""
    grey = rng.uniform(0.25, 0.5) + 0.08 * noise.draw()
    grey[np.arange(SIZE) % 16 < 3] -= 0.12
    return tinted(rng, grey, 0.2)


def paint_body(rng: np.random.Generator, noise: Noise) -> Picture:
    """Vehicle panels: reflections, seams, handles, lamps; near white, so that a vehicle's colour tints it."""
    grey = 0.72 + 0.1 * noise.draw(1, 4) + 0.04 * noise.draw()
    grey += np.linspace(-0.12, 0.12, SIZE, dtype=np.float32)[:, None]
    for seam in (0.22, 0.47, 0.75):
        column = int(SIZE * (seam + rng.uniform(-0.04, 0.04)))
        grey[:, column : column + 3] -= 0.3
        grey[150:160, column + 8 : column + 22] -= 0.25
    grey[60:68] -= 0.15
    picture = np.repeat(grey[..., None], 3, -1)
    picture[110:150, :14] = (0.9, 0.3, 0.25)
    picture[110:150, -14:] = (1.0, 0.95, 0.85)
    return picture


def paint_glass(rng: np.random.Generator, noise: Noise) -> Picture:
    """Vehicle windows: dark panes with pillars and sky reflections."""
    grey = 0.22 + 0.08 * noise.draw(4, 1)
    grey += np.linspace(-0.08, 0.12, SIZE, dtype=np.float32)[:, None]
    for pillar in (0.0, 0.3, 0.62, 0.95):
        column = int(SIZE * pillar)
        grey[:, column : column + 12] = 0.6
    return tinted(rng, grey)


def paint_foliage(rng: np.random.Generator, noise: Noise) -> Picture:
    """Leaves: strong contrast in greens."""
    picture = speckled(rng, noise, 0.4, 0.16, 0.05)
    leaf = noise.draw() > 0.9
    picture[leaf] += 0.15
    return picture * np.array([0.8, 1.0, 0.5], np.float32)


def paint_pole(rng: np.random.Generator, noise: Noise) -> Picture:
    """Metal, wood or concrete with bands and posters."""
    picture = speckled(rng, noise, rng.uniform(0.3, 0.6), 0.1, 0.1)
    for _ in range(int(rng.integers(2, 6))):
        row, height = int(rng.integers(0, SIZE - 30)), int(rng.integers(8, 30))
        band = rng.uniform(0.15, 0.95) * near_grey(rng, 0.3)
        picture[row : row + height] = band + 0.04 * noise.draw()[row : row + height, :, None]
    return picture


def paint_sign(rng: np.random.Generator, noise: Noise) -> Picture:
    """Boards with lines of text-like blocks."""
    picture = np.empty((SIZE, SIZE, 3), np.float32)
    picture[:] = rng.uniform(0.2, 0.85) * near_grey(rng, 0.5)
    ink = np.float32(0.12 if picture[0, 0].mean() > 0.5 else 0.9)
    for row in range(16, SIZE - 32, 40):
        column = 16
        while column < SIZE - 40:
            width = int(rng.integers(6, 26))
            if rng.random() < 0.75:
                picture[row : row + 24, column : column + width] = ink
            column += width + 6
    return picture + 0.04 * noise.draw()[..., None]


def paint_sky(rng: np.random.Generator, noise: Noise) -> Picture:
    """Sky from the horizon (row 0) up, with clouds; the rows do not wrap in use."""
    up = np.linspace(0, 1, SIZE, dtype=np.float32)[:, None, None]
    horizon, zenith = np.array([0.85, 0.87, 0.9]), np.array([0.35, 0.5, 0.8]) * rng.uniform(0.8, 1.2)
    picture = (horizon * (1 - up) + zenith * up).astype(np.float32)
    cloud = np.clip(noise.draw() * 0.6 + rng.uniform(-0.6, 0.8), 0, 1)[..., None]
    return picture * (1 - 0.7 * cloud) + 0.62 * cloud


Painter = Callable[[np.random.Generator, Noise], Picture]
PAINTERS: dict[str, Painter] = {
    "road": paint_road,
    "pavement": paint_pavement,
    "verge": paint_verge,
    "brick": paint_brick,
    "roof": paint_roof,
    "body": paint_body,
    "glass": paint_glass,
    "foliage": paint_foliage,
    "pole": paint_pole,
    "sign": paint_sign,
    "sky": paint_sky,
    **dict.fromkeys(FACADES, paint_facade),
}


def paint_atlas(rng: np.random.Generator, noise: Noise, painters: Mapping[str, Painter]) -> Atlas:
    """Draw the textures of one world, in the order of `painters`."""
    return make_atlas({name: np.clip(paint(rng, noise), 0, 1) for name, paint in painters.items()})


def paint_street(rng: np.random.Generator) -> Atlas:
    """Draw every texture of one street."""
    return paint_atlas(rng, Noise(rng), PAINTERS)
