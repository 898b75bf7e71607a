"""What a world is made of, and what a camera records of it. Axes: x right, y down, z forward, metres."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from lumde.worlds.textures import Atlas

SKY = 0  # object id of the sky, which has no depth
SAME_DEPTH = 0.02  # share by which a point's depth may differ between two frames' pixels


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

    def seen_from(self, target: int, source: int) -> Bool[np.ndarray, "h w"]:
        """Which pixels of frame `target` show what frame `source` shows too: the rest is occluded or outside.

        By both depth maps: the pixel nearest to where a point falls shows the same object, and the point's
        depth lies between those of that object in the four pixels around; so a rim may be off by a pixel.
        Never the sky, which has no depth, nor what moves by itself: its way is not told here.
        """
        height, width = self.depth.shape[1:]
        rows, columns = np.indices((height, width))
        rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(self.intrinsics).T
        motion = np.linalg.inv(self.poses[source]) @ self.poses[target]
        points = self.depth[target][..., None] * rays @ motion[:3, :3].T + motion[:3, 3]
        ahead = (self.depth[target] > 0) & ~self.movers[target] & (points[..., 2] > 0)
        falls = np.where(ahead[..., None], points, 1.0) @ self.intrinsics.T
        x, y = falls[..., 0] / falls[..., 2], falls[..., 1] / falls[..., 2]
        inside = ahead & (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
        x, y = np.where(inside, x, 0), np.where(inside, y, 0)
        left, top = x.astype(int), y.astype(int)
        around = [
            (np.minimum(top + down, height - 1), np.minimum(left + right, width - 1))
            for down in (0, 1)
            for right in (0, 1)
        ]
        same = np.stack([self.ids[source][place] == self.ids[target] for place in around])
        depths = np.stack([self.depth[source][place] for place in around])
        nearest = np.where(same, depths, np.inf).min(0) * (1 - SAME_DEPTH)
        farthest = np.where(same, depths, 0.0).max(0) * (1 + SAME_DEPTH)
        shown = self.ids[source][y.round().astype(int), x.round().astype(int)] == self.ids[target]
        return inside & shown & (nearest <= points[..., 2]) & (points[..., 2] <= farthest)
