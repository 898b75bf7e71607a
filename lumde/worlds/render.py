"""Ray-cast clips of a world: embree finds which triangle a ray meets, all numbers after that are our own.

Depth follows from the triangle's plane in float32 and plain arithmetic: it is exact and does not depend on
how the ray caster was compiled. Every pixel averages 2 x 2 samples at +-0.25 pixels, each looked up at its
footprint; depth and ids are those of the pixel's centre.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Bool, Float, Int

from lumde.worlds.look import Look, exposed, hazed, highlight
from lumde.worlds.planes import Planes, depth_of, height_above, in_camera, joined, planes_of, texels_of
from lumde.worlds.scene import SKY, Clip, Light, Surfaces, World, join
from lumde.worlds.textures import faded, look_up

_SAMPLES = ((-0.25, -0.25), (0.25, -0.25), (0.25, 0.25), (-0.25, 0.25))  # pixels from the centre
# Each sample rounds its texture level at another quarter, so that the mean over a pixel changes smoothly.
_LEVEL_SHIFT = np.array([1.0905077, 1.2968396, 1.5422108, 1.8340081], np.float32)  # 2 ** (1/8, 3/8, 5/8, 7/8)
_NUM = len(_SAMPLES)
_LIFT = 0.01  # metres by which a shadow ray starts off its surface
_NEAR = 0.3  # metres: an object nearer than this may cover any pixel


def intrinsics_of(world: World, height: int, width: int) -> Float[np.ndarray, "3 3"]:
    """Pixel intrinsics of the world's camera: square pixels, centre in the middle of the image."""
    focal = 0.5 * width / np.tan(np.radians(world.fov_deg) / 2)
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


def render_clip(
    world: World, height: int, width: int, frames: int | Sequence[int], look: Look | None = None
) -> Clip:
    """Render a clip.

    Args:
        world: the scene.
        height: pixels.
        width: pixels.
        frames: how many frames from the start, or the indices of the frames.
        look: shine, haze and exposure; None = dull, clear and as the light is, with the same bytes anywhere.

    Raises:
        ValueError: if the world has fewer frames.
    """
    chosen = list(range(frames)) if isinstance(frames, int) else list(frames)
    if not chosen or max(chosen) >= len(world.world_from_camera):
        raise ValueError(f"frames {frames} asked, a world has {len(world.world_from_camera)}")
    camera = _Camera(intrinsics_of(world, height, width), height, width)
    caster = _Caster(world, camera, look)
    shape = (len(chosen), height, width)
    images, depth, ids = (
        np.empty((*shape, 3), np.uint8),
        np.empty(shape, np.float32),
        np.empty(shape, np.int16),
    )
    for i, frame in enumerate(chosen):
        image, image_depth, image_ids = caster.render(frame)
        images[i] = image.reshape(height, width, 3)
        depth[i], ids[i] = image_depth.reshape(height, width), image_ids.reshape(height, width)
    movers = np.isin(ids, [mover.surfaces.ids[0] for mover in world.movers])
    return Clip(images, depth, ids, movers, world.world_from_camera[chosen], camera.intrinsics)


class _Camera:
    """Directions (x, y, 1) of a frame's rays: _NUM blocks of samples, then a block of pixel centres."""

    def __init__(self, intrinsics: Float[np.ndarray, "3 3"], height: int, width: int) -> None:
        self.intrinsics, self.height, self.width = intrinsics, height, width
        self.pixels = height * width
        rows, columns = np.mgrid[:height, :width].reshape(2, -1)
        focal, centre = intrinsics[0, 0], intrinsics[:2, 2]
        offsets = np.array([*_SAMPLES, (0.0, 0.0)])[..., None]
        self.x = ((columns + offsets[:, 0] - centre[0]) / focal).astype(np.float32).ravel()
        self.y = ((rows + offsets[:, 1] - centre[1]) / focal).astype(np.float32).ravel()
        self.extents = np.repeat(_LEVEL_SHIFT * np.float32(0.5 / focal), self.pixels)  # of samples at 1 m

    def rays(self, pose: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "r 3"]:
        """World directions."""
        rotation = pose[:3, :3].astype(np.float32)
        rays = np.empty((len(self.x), 3), np.float32)
        for axis in range(3):
            rays[:, axis] = self.x * rotation[axis, 0] + self.y * rotation[axis, 1] + rotation[axis, 2]
        return rays

    def covered(
        self, points: Float[np.ndarray, "k 3"], pose: Float[np.ndarray, "4 4"]
    ) -> Bool[np.ndarray, " p"]:
        """Pixels of the rectangle around world points."""
        x, y, z = ((points - pose[:3, 3]) * axis for axis in pose[:3, :3].T)
        x, y, z = x.sum(-1), y.sum(-1), z.sum(-1)
        mask = np.zeros((self.height, self.width), np.bool_)
        if z.max() < _NEAR:
            return mask.ravel()
        if z.min() < _NEAR:
            return ~mask.ravel()
        focal, (centre_x, centre_y) = self.intrinsics[0, 0], self.intrinsics[:2, 2]
        left, right = (
            int(limit) for limit in (focal * (x / z).min() + centre_x, focal * (x / z).max() + centre_x)
        )
        top, bottom = (
            int(limit) for limit in (focal * (y / z).min() + centre_y, focal * (y / z).max() + centre_y)
        )
        mask[max(top - 1, 0) : max(bottom + 3, 0), max(left - 1, 0) : max(right + 3, 0)] = True
        return mask.ravel()


@dataclass(frozen=True)
class _Moment:
    """One frame's geometry: what stands still, then what moves."""

    pose: Float[np.ndarray, "4 4"]
    rays: Float[np.ndarray, "r 3"]
    planes: Planes
    moving: EmbreeScene | None
    near_mover: Bool[np.ndarray, " r"]  # rays that may meet a mover

    def seen(
        self, hit: Int[np.ndarray, " a"]
    ) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " a"], Planes, Float[np.ndarray, "11 k"]]:
        """The few triangles that were hit: their indices, `hit` as positions among them, planes and table."""
        used = np.zeros(len(self.planes.offset), np.bool_)
        used[hit] = True
        index = np.flatnonzero(used)
        position = np.zeros(len(used), np.int32)
        position[index] = np.arange(len(index), dtype=np.int32)
        planes = self.planes.take(index)
        return index, position[hit], planes, in_camera(planes, self.pose)


class _Caster:
    """A world before a camera; the acceleration structure of what stands still is built once."""

    def __init__(self, world: World, camera: _Camera, look: Look | None) -> None:
        self.world, self.camera, self.look = world, camera, look
        self.atlas = world.atlas if look is None else faded(world.atlas, look.contrast)
        self.backdrop = _scene_of(world.surfaces.corners[: world.backdrop])
        self.still = _scene_of(world.surfaces.corners[world.backdrop :])  # casts shadows
        self.planes = planes_of(world.surfaces)
        self.surfaces = join([world.surfaces, *(mover.surfaces for mover in world.movers)])

    def render(
        self, frame: int
    ) -> tuple[Float[np.ndarray, "p 3"], Float[np.ndarray, " p"], Int[np.ndarray, " p"]]:
        """Image (0-255), depth and ids of one frame, pixels in rows."""
        moment, camera, surfaces = self._moment(frame), self.camera, self.surfaces
        samples = slice(0, _NUM * camera.pixels)
        hit = self._nearest(moment, samples)
        index, seen, planes, table = moment.seen(hit)
        x, y = camera.x[samples], camera.y[samples]
        depth = depth_of(table, seen, x, y)
        positions, changes = texels_of(table, seen, x, y, depth)
        scale = depth * camera.extents
        footprints = [change * scale for change in changes]
        colour = look_up(self.atlas, surfaces.texture[index][seen], positions, footprints)
        sky = surfaces.ids[index] == SKY
        ambient, sun = _gains(self.world.light, planes, surfaces.colour[index], sky, moment.pose)
        lit = self._sunlit(moment, depth, seen, (sun[:, 0] > 0)[seen])
        colour *= ambient[seen] + sun[seen] * lit[:, None]
        if self.look is not None:
            texture, rays = surfaces.texture[index], moment.rays[samples]
            colour += highlight(self.look, self.world.light, texture, planes, rays, seen, lit)
            colour = hazed(self.look, colour, depth)
        image = colour.reshape(_NUM, camera.pixels, 4).sum(0)[:, :3] * np.float32(1 / _NUM)
        if self.look is not None:
            image = exposed(self.look, image, frame)
        depth, ids = self._centres(moment, hit)
        return np.rint(np.clip(image, 0, 255)), depth, ids

    def _moment(self, frame: int) -> _Moment:
        """Put the movers and the camera where they are at a frame."""
        pose, planes, moving = self.world.world_from_camera[frame], self.planes, None
        near_mover = np.zeros(self.camera.pixels, np.bool_)
        if self.world.movers:
            parts = [_moved(m.surfaces, m.world_from_object[frame]) for m in self.world.movers]
            for part in parts:
                near_mover |= self.camera.covered(part.corners.reshape(-1, 3), pose)
            moved = join(parts)
            moving = _scene_of(moved.corners)
            planes = joined(planes, planes_of(moved))
        return _Moment(pose, self.camera.rays(pose), planes, moving, np.tile(near_mover, _NUM + 1))

    def _nearest(self, moment: _Moment, asked: slice | Int[np.ndarray, " a"]) -> Int[np.ndarray, " a"]:
        """Triangle that each asked ray meets first; a ray that slips through a seam sees the backdrop."""
        rays = moment.rays[asked]
        hit = _cast(self.still, moment.pose, rays) + np.int32(self.world.backdrop)
        beyond = np.flatnonzero(hit < self.world.backdrop)
        hit[beyond] = np.maximum(_cast(self.backdrop, moment.pose, rays[beyond]), 0)
        if moment.moving is None:
            return hit
        near = np.flatnonzero(moment.near_mover[asked])
        other = _cast(moment.moving, moment.pose, rays[near])
        met, other = near[other >= 0], other[other >= 0] + np.int32(len(self.world.surfaces.ids))
        x, y = self.camera.x[asked][met], self.camera.y[asked][met]
        depths = []
        for candidate in (other, hit[met]):
            _, seen, _, table = moment.seen(candidate)
            depths.append(depth_of(table, seen, x, y))
        nearer = depths[0] < depths[1]
        hit[met[nearer]] = other[nearer]
        return hit

    def _centres(
        self, moment: _Moment, hit: Int[np.ndarray, " r"]
    ) -> tuple[Float[np.ndarray, " p"], Int[np.ndarray, " p"]]:
        """Depth and id at pixel centres: a triangle that holds all samples holds the centre too."""
        pixels = self.camera.pixels
        per_sample = hit.reshape(_NUM, pixels)
        centre = per_sample[0].copy()
        mixed = np.flatnonzero((per_sample[1:] != centre).any(0))
        centre[mixed] = self._nearest(moment, mixed + _NUM * pixels)
        _, seen, _, table = moment.seen(centre)
        depth = depth_of(table, seen, self.camera.x[_NUM * pixels :], self.camera.y[_NUM * pixels :])
        ids = self.surfaces.ids[centre]
        return np.where(ids == SKY, np.float32(0), depth), ids

    def _sunlit(
        self,
        moment: _Moment,
        depth: Float[np.ndarray, " r"],
        seen: Int[np.ndarray, " r"],
        facing: Bool[np.ndarray, " r"],
    ) -> Float[np.ndarray, " r"]:
        """0 for samples that face the sun and have something in between, 1 elsewhere.

        Two samples on a diagonal are asked; each answers for its neighbour where that sees the same triangle.
        """
        first, second = (seen.reshape(2, 2, -1)[:, i] for i in range(2))
        same = first == second
        unsure = facing.reshape(2, 2, -1).copy()
        unsure[:, 1] &= ~same
        asked = np.flatnonzero(unsure)
        eye, towards = moment.pose[:3, 3].astype(np.float32), self.world.light.towards_sun.astype(np.float32)
        reach = depth[asked] - np.float32(_LIFT)
        points = moment.rays[asked] * reach[:, None] + (eye + towards * np.float32(_LIFT))
        directions = np.broadcast_to(towards, points.shape).copy()
        lit = np.ones(len(depth), np.float32)
        for scene in (self.still, moment.moving):
            if scene is not None:
                lit[asked[scene.run(points, directions, query="OCCLUDED") == 0]] = 0
        rows = lit.reshape(2, 2, -1)
        rows[:, 1] = np.where(same, rows[:, 0], rows[:, 1])
        return lit


def _scene_of(corners: Float[np.ndarray, "t 3 3"]) -> EmbreeScene:
    """Acceleration structure of triangles."""
    scene = EmbreeScene()
    TriangleMesh(scene, corners.astype(np.float32))
    return scene


def _cast(
    scene: EmbreeScene, pose: Float[np.ndarray, "4 4"], rays: Float[np.ndarray, "a 3"]
) -> Int[np.ndarray, " a"]:
    """Index of the first triangle on each ray from the camera, -1 = none."""
    origins = np.broadcast_to(pose[:3, 3].astype(np.float32), rays.shape).copy()
    return scene.run(origins, rays)


def _moved(surfaces: Surfaces, world_from_object: Float[np.ndarray, "4 4"]) -> Surfaces:
    """Surfaces in world coordinates."""
    x, y, z = (surfaces.corners[..., axis, None] for axis in range(3))
    rotation, centre = world_from_object[:3, :3], world_from_object[:3, 3]
    corners = x * rotation[:, 0] + y * rotation[:, 1] + z * rotation[:, 2] + centre
    return Surfaces(corners, surfaces.uv, surfaces.texture, surfaces.colour, surfaces.ids)


def _gains(
    light: Light,
    planes: Planes,
    reflectance: Float[np.ndarray, "k 3"],
    sky: Bool[np.ndarray, " k"],
    pose: Float[np.ndarray, "4 4"],
) -> tuple[Float[np.ndarray, "k 4"], Float[np.ndarray, "k 4"]]:
    """What multiplies a triangle's texture in shadow, and what the sun adds; the sky shines by itself."""
    seen_side = np.sign(height_above(planes, pose[:3, 3]))
    x, y, z = planes.normal * light.towards_sun[:, None]
    facing = np.where(sky, 0, np.maximum((x + y + z) * seen_side, 0))
    shade = np.where(sky, 1, 0.7 - 0.3 * planes.normal[1] * seen_side)
    gains = np.zeros((2, len(sky), 4), np.float32)
    gains[0, :, :3] = reflectance * np.where(sky[:, None], 1, light.ambient) * shade[:, None]
    gains[1, :, :3] = reflectance * light.sun * facing[:, None]
    return gains[0], gains[1]
