"""What a world is made of, and what a camera records of it. Axes: x right, y down, z forward, metres."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from lumde.worlds.textures import Atlas

SKY = 0  # object id of the sky, which has no depth


@dataclass(frozen=True)
class Surfaces:
    """Textured triangles."""

    corners: Float[np.ndarray, "t 3 3"]  # metres
    uv: Float[np.ndarray, "t 3 2"]  # texels of level 0, wrapping around
    texture: Int[np.ndarray, " t"]  # index in the atlas
    colour: Float[np.ndarray, "t 3"]  # reflectance: multiplies the texture
    ids: Int[np.ndarray, " t"]  # object id, SKY = 0


def join(parts: list[Surfaces]) -> Surfaces:
    """Concatenate surfaces; triangle indices follow the order of `parts`."""
    return Surfaces(
        np.concatenate([p.corners for p in parts]),
        np.concatenate([p.uv for p in parts]),
        np.concatenate([p.texture for p in parts]),
        np.concatenate([p.colour for p in parts]),
        np.concatenate([p.ids for p in parts]),
    )


@dataclass(frozen=True)
class Light:
    """Light that stays the same during a clip."""

    towards_sun: Float[np.ndarray, " 3"]  # unit vector
    sun: Float[np.ndarray, " 3"]  # RGB gain of a surface that faces the sun
    ambient: Float[np.ndarray, " 3"]  # RGB gain of a surface that faces up


@dataclass(frozen=True)
class Mover:
    """An object that moves by itself: its surfaces in its own frame, and its pose at every frame."""

    surfaces: Surfaces
    world_from_object: Float[np.ndarray, "n 4 4"]


@dataclass(frozen=True)
class World:
    """A scene, its light, and the camera's way through it."""

    seed: int
    surfaces: Surfaces
    backdrop: int  # this many first triangles lie behind all others and cast no shadow: a sky, a room's shell
    movers: tuple[Mover, ...]
    atlas: Atlas
    light: Light
    fov_deg: float  # horizontal
    world_from_camera: Float[np.ndarray, "n 4 4"]  # the longest clip this world has room for
    indoors: bool = False  # where air is clear
    fog: bool = False  # air that hides what lies beyond the middle of the scene


@dataclass(frozen=True)
class Clip:
    """Consecutive frames of one world."""

    images: UInt8[np.ndarray, "n h w 3"]
    depth: Float[np.ndarray, "n h w"]  # metres along z at pixel centres, 0 = sky
    ids: Int[np.ndarray, "n h w"]  # object id at pixel centres
    movers: Bool[np.ndarray, "n h w"]  # True where an object moves by itself
    poses: Float[np.ndarray, "n 4 4"]  # world_from_camera
    intrinsics: Float[np.ndarray, "3 3"]  # pixels
