"""What rooms are painted with: plaster, wood, tiles, cloth, books, posters, screens, windows and doors."""

import numpy as np

from lumde.worlds.patterns import (
    Noise,
    Painter,
    near_grey,
    paint_atlas,
    paint_brick,
    paint_foliage,
    paint_pole,
    paint_sign,
    speckled,
    tinted,
)
from lumde.worlds.textures import SIZE, Atlas, Picture

TILE_M = {  # extent of one picture on a surface, metres (across, along)
    "wall0": (2.6, 2.6),
    "wall1": (3.1, 2.8),
    "ceiling": (2.4, 2.4),
    "floor": (2.0, 2.0),
    "wood": (1.2, 0.9),
    "board": (0.8, 1.1),
    "cloth": (0.9, 0.9),
    "plain": (1.5, 1.5),
    "books": (1.1, 0.32),
    "poster": (0.9, 1.2),
    "screen": (0.8, 0.6),
    "window": (1.6, 2.1),
    "door": (1.0, 2.2),
    "brick": (1.6, 1.6),
    "foliage": (0.7, 0.7),
    "pole": (0.5, 0.8),
    "sign": (0.45, 0.45),
}


def paint_wall(rng: np.random.Generator, noise: Noise) -> Picture:
    """Plaster, often nearly flat; wallpaper with stripes or a lattice; tiles with joints."""
    contrast = rng.choice([0.004, 0.01, 0.03])
    picture = speckled(rng, noise, rng.uniform(0.5, 0.97), contrast, 0.12)
    kind = rng.choice(4, p=[0.55, 0.15, 0.1, 0.2])
    columns, rows = np.arange(SIZE), np.arange(SIZE)[:, None]
    if kind == 1:
        period = int(rng.choice([16, 32, 64]))
        picture[:, columns % period < period // 2] *= np.float32(rng.uniform(0.75, 0.95))
    elif kind == 2:
        period = int(rng.choice([16, 32]))
        lattice = (rows // period + columns // period) % 2 == 0
        picture[lattice] *= near_grey(rng, 0.15).astype(np.float32)
    elif kind == 3:
        edge = int(rng.choice([16, 32]))
        shade = np.kron(rng.normal(0, 0.03, (SIZE // edge, SIZE // edge)), np.ones((edge, edge)))
        picture += shade[..., None].astype(np.float32)
        joint = (rows % edge < 2) | (columns % edge < 2)
        picture[joint] -= 0.2
    return picture


def paint_lit_wall(rng: np.random.Generator, noise: Noise) -> Picture:
    """A wall, often with pools of light that fade over decimetres, as lamps and windows throw them."""
    picture, axis = paint_wall(rng, noise), np.arange(SIZE)
    for _ in range(int(rng.integers(0, 3))):
        away = [np.abs(axis - middle) for middle in rng.integers(0, SIZE, 2)]
        rows, columns = (np.minimum(side, SIZE - side) / rng.uniform(25, 90) for side in away)
        pool = np.exp(-0.5 * (rows[:, None] ** 2 + columns**2))
        picture *= (1 + rng.uniform(0.2, 0.9) * pool)[..., None].astype(np.float32)
    return picture


def paint_ceiling(rng: np.random.Generator, noise: Noise) -> Picture:
    """Bright plaster, some with panels."""
    picture = speckled(rng, noise, rng.uniform(0.75, 0.95), rng.uniform(0.005, 0.03), 0.05)
    if rng.random() < 0.4:
        joint = np.arange(SIZE) % 64 < 2
        picture[joint] -= 0.15
        picture[:, joint] -= 0.15
    return picture


def paint_floor(rng: np.random.Generator, noise: Noise) -> Picture:
    """Planks, tiles, stone or carpet, plain or in narrow stripes."""
    kind = rng.integers(5)
    if kind == 0:
        return paint_wood(rng, noise)
    picture = speckled(rng, noise, rng.uniform(0.2, 0.65), rng.uniform(0.015, 0.09), 0.2)
    if kind == 1:
        edge = int(rng.choice([32, 64, 128]))
        cells = rng.normal(0, 0.05, (SIZE // edge, SIZE // edge))
        picture += np.kron(cells, np.ones((edge, edge)))[..., None].astype(np.float32)
        joint = np.arange(SIZE) % edge < 3
        picture[joint] -= 0.15
        picture[:, joint] -= 0.15
    elif kind == 2:
        picture += 0.06 * rng.standard_normal((SIZE, SIZE, 1)).astype(np.float32)
    elif kind == 3:
        shades = rng.uniform(0.5, 1.5, SIZE).astype(np.float32)
        picture *= np.repeat(shades, rng.integers(2, 14, SIZE))[:SIZE, None]
    return picture


def paint_wood(rng: np.random.Generator, noise: Noise) -> Picture:
    """Planks with grain, each of its own shade."""
    planks = int(rng.choice([2, 4, 8]))
    shade = np.repeat(rng.normal(0, 0.06, planks), SIZE // planks).astype(np.float32)
    coarse, fine = rng.uniform(0.015, 0.07), rng.uniform(0.005, 0.025)
    grey = rng.uniform(0.25, 0.65) + coarse * noise.draw(4, 1) + fine * noise.draw() + shade[:, None]
    grey[np.arange(SIZE) % (SIZE // planks) < 2] -= 0.12
    return grey[..., None] * (near_grey(rng, 0.05) * np.array([1.15, 0.97, 0.8])).astype(np.float32)


def paint_board(rng: np.random.Generator, noise: Noise) -> Picture:
    """Fronts of cupboards: panels with seams and handles on wood or lacquer."""
    picture = paint_wood(rng, noise) if rng.random() < 0.4 else paint_plain(rng, noise)
    columns, rows = int(rng.choice([1, 2, 4])), int(rng.choice([1, 2, 4]))
    for j in range(columns):
        picture[:, j * SIZE // columns : j * SIZE // columns + 3] *= 0.5
    handle = np.float32(rng.choice([0.15, 0.9]))
    for i in range(rows):
        top = i * SIZE // rows
        picture[top : top + 3] *= 0.5
        for j in range(columns):
            middle = (2 * j + 1) * SIZE // (2 * columns)
            picture[top + 12 : top + 20, middle - 14 : middle + 14] = handle
    return picture


def paint_cloth(rng: np.random.Generator, noise: Noise) -> Picture:
    """Woven cloth: plain, striped or checked."""
    picture = speckled(rng, noise, rng.uniform(0.2, 0.7), rng.uniform(0.015, 0.06), 0.45)
    period = int(rng.choice([8, 16, 32, 64]))
    stripe = np.arange(SIZE) % period < period // 3
    if rng.random() < 0.5:
        picture[:, stripe] *= near_grey(rng, 0.4).astype(np.float32) * np.float32(rng.uniform(0.6, 1.2))
    if rng.random() < 0.3:
        picture[stripe] *= near_grey(rng, 0.4).astype(np.float32) * np.float32(rng.uniform(0.6, 1.2))
    return picture


def paint_plain(rng: np.random.Generator, noise: Noise) -> Picture:
    """Lacquer, plastic or metal: nearly flat, with a soft sheen."""
    sheen = np.float32(rng.uniform(0.0, 0.08)) * noise.draw(4, 4)
    return tinted(rng, rng.uniform(0.15, 0.9) + sheen + np.float32(0.01) * noise.draw(), 0.2)


def paint_books(rng: np.random.Generator, noise: Noise) -> Picture:
    """Spines side by side, of many widths, heights and colours, before a dark back."""
    picture = np.full((SIZE, SIZE, 3), 0.12, np.float32)
    column = 0
    while column < SIZE:
        width, height = int(rng.integers(6, 22)), int(rng.integers(150, 250))
        colour = rng.uniform(0.15, 0.95) * near_grey(rng, 0.6)
        picture[:height, column : column + width - 1] = colour
        label, size = int(rng.integers(20, 120)), int(rng.integers(8, 50))
        picture[label : label + size, column + 2 : column + width - 3] *= np.float32(rng.uniform(0.5, 1.6))
        column += width
    return picture + np.float32(0.03) * noise.draw()[..., None]


def paint_poster(rng: np.random.Generator, noise: Noise) -> Picture:
    """A picture in a frame: blobs of colour over a gradient."""
    picture = np.empty((SIZE, SIZE, 3), np.float32)
    for channel in range(3):
        picture[..., channel] = 0.45 + 0.12 * noise.draw()
    for _ in range(int(rng.integers(2, 7))):
        row, column = rng.integers(0, SIZE - 80, 2)
        height, width = rng.integers(20, 80, 2)
        picture[row : row + height, column : column + width] = rng.uniform(0.1, 0.95, 3)
    frame = np.float32(rng.choice([0.1, 0.35, 0.9]))
    for edge in (slice(0, 10), slice(-10, None)):
        picture[edge] = frame
        picture[:, edge] = frame
    return picture


def paint_screen(rng: np.random.Generator, noise: Noise) -> Picture:
    """A dark or lit screen in a dark frame, with windows of text-like lines when lit."""
    picture = np.full((SIZE, SIZE, 3), 0.06, np.float32) + np.float32(0.01) * noise.draw()[..., None]
    if rng.random() < 0.5:
        picture[12:-12, 10:-10] = rng.uniform(0.3, 0.9) * near_grey(rng, 0.3)
        for row in range(30, SIZE - 30, 12):
            picture[row : row + 5, 30 : 30 + int(rng.integers(20, 180))] *= 0.3
    return picture


def paint_window(rng: np.random.Generator, noise: Noise) -> Picture:
    """Bright daylight over darker land, crossbars, a frame."""
    horizon = int(rng.integers(60, 160))
    picture = np.empty((SIZE, SIZE, 3), np.float32)
    picture[:] = rng.uniform(0.75, 1.0)
    picture[:horizon] = speckled(rng, noise, rng.uniform(0.3, 0.6), 0.12, 0.2)[:horizon]
    frame = np.float32(rng.choice([0.3, 0.8, 0.95]))
    for edge in (slice(0, 9), slice(-9, None), slice(SIZE // 2 - 4, SIZE // 2 + 4)):
        picture[edge] = frame
        picture[:, edge] = frame
    return picture


def paint_door(rng: np.random.Generator, noise: Noise) -> Picture:
    """A leaf with two to six panels and a handle."""
    picture = paint_wood(rng, noise) if rng.random() < 0.5 else paint_plain(rng, noise)
    rows = int(rng.integers(1, 4))
    for i in range(rows):
        for left in (24, 140):
            top, bottom = i * SIZE // rows + 20, (i + 1) * SIZE // rows - 12
            picture[top:bottom, left : left + 92] *= 0.8
            picture[top + 4 : bottom - 4, left + 4 : left + 88] *= 1.2
    picture[118:126, 222:244] = 0.8
    return picture


PAINTERS: dict[str, Painter] = {
    "wall0": paint_wall,
    "wall1": paint_wall,
    "ceiling": paint_ceiling,
    "floor": paint_floor,
    "wood": paint_wood,
    "board": paint_board,
    "cloth": paint_cloth,
    "plain": paint_plain,
    "books": paint_books,
    "poster": paint_poster,
    "screen": paint_screen,
    "window": paint_window,
    "door": paint_door,
    "brick": paint_brick,
    "foliage": paint_foliage,
    "pole": paint_pole,
    "sign": paint_sign,
}


def paint_room(rng: np.random.Generator) -> Atlas:
    """Draw every texture of one room."""
    return paint_atlas(rng, Noise(rng), {**PAINTERS, "wall0": paint_lit_wall, "wall1": paint_lit_wall})
