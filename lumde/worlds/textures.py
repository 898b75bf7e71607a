"""Procedural tiling textures, pre-filtered per axis so that a lookup can match the pixel's footprint.

Every texture is kept at all pairs of horizontal and vertical reductions by powers of two (a "ripmap"): road
and walls are seen at grazing angles, where one isotropic level would either alias or wash out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

SIZE = 256  # texels per side at level 0
LEVELS = 8  # reductions per axis: 1, 2, ... 128
_WIDTHS = SIZE >> np.arange(LEVELS)
_TEXELS = int(_WIDTHS.sum()) ** 2  # texels of one texture, all reductions
_OFFSETS = np.concatenate(  # start of level (v, u) within a texture
    [[0], np.cumsum(np.outer(_WIDTHS, _WIDTHS).ravel())[:-1]]
).astype(np.int32)
_SCALES = (0.5 ** np.arange(LEVELS)).astype(np.float32)

Field = Float[np.ndarray, "256 256"]
Picture = Float[np.ndarray, "256 256 3"]


@dataclass(frozen=True)
class Atlas:
    """All textures of a world at all reductions."""

    texels: UInt8[np.ndarray, "n 4"]  # RGB and one unused byte, so that a lookup moves one word
    names: tuple[str, ...]

    def index(self, name: str) -> int:
        """Position of a texture by name."""
        return self.names.index(name)


def make_atlas(pictures: dict[str, Picture]) -> Atlas:
    """Reduce every picture (RGB in [0, 1]) to all levels and pack them."""
    blocks = [_ripmap(picture) for picture in pictures.values()]
    return Atlas(np.concatenate(blocks), tuple(pictures))


def _ripmap(picture: Picture) -> UInt8[np.ndarray, "n 4"]:
    """All pairs of reductions of one picture, level (v, u) at `_OFFSETS[v * LEVELS + u]`."""
    texels = np.zeros((_TEXELS, 4), np.uint8)
    tall = np.clip(picture, 0, 1).astype(np.float32) * np.float32(255)
    for v in range(LEVELS):
        wide = tall
        for u in range(LEVELS):
            start = _OFFSETS[v * LEVELS + u]
            count = wide.shape[0] * wide.shape[1]
            texels[start : start + count, :3] = np.rint(wide).reshape(-1, 3)
            wide = (wide[:, ::2] + wide[:, 1::2]) * np.float32(0.5)
        tall = (tall[::2] + tall[1::2]) * np.float32(0.5)
    return texels


def faded(atlas: Atlas, contrast: Float[np.ndarray, " textures"]) -> Atlas:
    """Pull every texture towards its mean colour; a contrast of 1 leaves it as it is."""
    blocks = atlas.texels.reshape(len(atlas.names), _TEXELS, 4).copy()
    for i in np.flatnonzero(contrast < 1):
        mean = blocks[i, 0 : SIZE * SIZE : 61].mean(0)
        levels = np.arange(256)[:, None]
        table = np.rint(mean + contrast[i] * (levels - mean)).clip(0, 255).astype(np.uint8)
        for channel in range(3):
            blocks[i, :, channel] = table[blocks[i, :, channel], channel]
    return Atlas(blocks.reshape(-1, 4), atlas.names)


def look_up(
    atlas: Atlas,
    texture: Int[np.ndarray, " n"],
    uv: Sequence[Float[np.ndarray, " n"]],
    footprint: Sequence[Float[np.ndarray, " n"]],
) -> Float[np.ndarray, "n 4"]:
    """Bilinear lookup at the level of each axis that fits the footprint.

    Args:
        atlas: textures of the world.
        texture: index of the texture per sample.
        uv: position in texels of level 0: u, then v.
        footprint: extent of a sample in texels of level 0 per axis; a level is the floor of its log2.

    Returns:
        RGB in [0, 255]; the fourth column has no meaning.
    """
    level_u, level_v = (_level(extent) for extent in footprint)
    u0, u1, fraction_u = _neighbours(uv[0], level_u)
    v0, v1, fraction_v = _neighbours(uv[1], level_v)
    start = texture * np.int32(_TEXELS) + _OFFSETS[level_v * LEVELS + level_u]
    shift = 8 - level_u
    row0, row1 = start + (v0 << shift), start + (v1 << shift)
    words = atlas.texels.view(np.uint32)[:, 0]
    a, b, c, d = (
        words[row + column].view(np.uint8).reshape(-1, 4).astype(np.float32)
        for row in (row0, row1)
        for column in (u0, u1)
    )
    fraction_u, fraction_v = fraction_u[:, None], fraction_v[:, None]
    a += (b - a) * fraction_u
    c += (d - c) * fraction_u
    a += (c - a) * fraction_v
    return a


def _level(extent: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Floor of log2 of a float32, read from its exponent bits: exact on every machine."""
    return np.clip((extent.view(np.int32) >> 23) - 127, 0, LEVELS - 1)


def _neighbours(
    position: Float[np.ndarray, " n"], level: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The two texels around a position at a level, wrapped, and the weight of the second."""
    scaled = position * _SCALES[level] - np.float32(0.5)
    low = np.floor(scaled)
    last = (SIZE >> level) - 1
    first = low.astype(np.int32) & last
    return first, (first + 1) & last, scaled - low
