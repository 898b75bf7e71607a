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

from lumde.worlds.planes import Planes, depth_of, height_above, in_camera, joined, planes_of, texels_of
from lumde.worlds.scene import SKY, Clip, Light, Surfaces, World, join
from lumde.worlds.textures import look_up

_SAMPLES = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))  # pixels from the centre
# Each sample rounds its texture level at another quarter, so that the mean over a pixel changes smoothly.
_LEVEL_SHIFT = np.array([1.0905077, 1.2968396, 1.5422108, 1.8340081], np.float32)  # 2 ** (1/8, 3/8, 5/8, 7/8)
_NUM = len(_SAMPLES)
_LIFT = 0.01  # metres by which a shadow ray starts off its surface
_NEAR = 0.3  # metres: an object nearer than this may cover any pixel


def intrinsics_of(world: World, height: int, width: int) -> Float[np.ndarray, "3 3"]:
    """Pixel intrinsics of the world's camera: square pixels, centre in the middle of the image."""
    focal = 0.5 * width / np.tan(np.radians(world.fov_deg) / 2)
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


def render_clip(world: World, height: int, width: int, frames: int | Sequence[int]) -> Clip:
    """Render a clip.

    Args:
        world: the scene.
        height: pixels.
        width: pixels.
        frames: how many frames from the start, or the indices of the frames.

    Raises:
        ValueError: if the world has fewer frames.
    """
    chosen = list(range(frames)) if isinstance(frames, int) else list(frames)
    if not chosen or max(chosen) >= len(world.world_from_camera):
        raise ValueError(f"frames {frames} asked, a world has {len(world.world_from_camera)}")
    camera = _Camera(intrinsics_of(world, height, width), height, width)
    caster = _Caster(world, camera)
    shape = (len(chosen), height, width)
    images, depth, ids = (
        np.empty((*shape, 3), np.uint8),
        np.empty(shape, np.float32),
        np.empty(shape, np.int16),
    )
    for i, frame in enumerate(chosen):
        for stack, values in zip((images, depth, ids), caster.render(frame), strict=True):
            stack[i] = values.reshape(stack[i].shape)
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
    surfaces: Surfaces
    planes: Planes
    table: Float[np.ndarray, "11 t"]  # planes.in_camera
    moving: EmbreeScene | None
    near_mover: Bool[np.ndarray, " r"]  # rays that may meet a mover


class _Caster:
    """A world before a camera; the acceleration structure of what stands still is built once."""

    def __init__(self, world: World, camera: _Camera) -> None:
        self.world, self.camera = world, camera
        self.still = _scene_of(world.surfaces)
        self.planes = planes_of(world.surfaces)
        self.sky = int(np.argmax(world.surfaces.ids == SKY))

    def render(
        self, frame: int
    ) -> tuple[Float[np.ndarray, "p 3"], Float[np.ndarray, " p"], Int[np.ndarray, " p"]]:
        """Image (0-255), depth and ids of one frame, pixels in rows."""
        moment, camera = self._moment(frame), self.camera
        samples = slice(0, _NUM * camera.pixels)
        hit, depth = self._nearest(moment, samples)
        x, y = camera.x[samples], camera.y[samples]
        positions, changes = texels_of(moment.table, hit, x, y, depth)
        scale = depth * camera.extents
        footprints = [change * scale for change in changes]
        colour = look_up(self.world.atlas, moment.surfaces.texture[hit], positions, footprints)
        ambient, sun = _gains(self.world.light, moment)
        lit = self._sunlit(moment, depth, hit, sun)
        colour *= ambient[hit] + sun[hit] * lit[:, None]
        image = colour.reshape(_NUM, camera.pixels, 4).sum(0)[:, :3] * np.float32(1 / _NUM)
        centre_hit, centre_depth = self._centres(moment, hit)
        ids = moment.surfaces.ids[centre_hit]
        return np.rint(np.clip(image, 0, 255)), np.where(ids == SKY, np.float32(0), centre_depth), ids

    def _moment(self, frame: int) -> _Moment:
        """Put the movers and the camera where they are at a frame."""
        pose = self.world.world_from_camera[frame]
        surfaces, planes, moving = self.world.surfaces, self.planes, None
        near_mover = np.zeros(self.camera.pixels, np.bool_)
        if self.world.movers:
            parts = [_moved(m.surfaces, m.world_from_object[frame]) for m in self.world.movers]
            for part in parts:
                near_mover |= self.camera.covered(part.corners.reshape(-1, 3), pose)
            moved = join(parts)
            moving = _scene_of(moved)
            surfaces, planes = join([surfaces, moved]), joined(planes, planes_of(moved))
        table = in_camera(planes, pose)
        near_rays = np.tile(near_mover, _NUM + 1)
        return _Moment(pose, self.camera.rays(pose), surfaces, planes, table, moving, near_rays)

    def _nearest(
        self, moment: _Moment, asked: slice | Int[np.ndarray, " a"]
    ) -> tuple[Int[np.ndarray, " a"], Float[np.ndarray, " a"]]:
        """Triangle and depth of the asked rays; a ray that slips through a seam sees the sky."""
        x, y = self.camera.x[asked], self.camera.y[asked]
        rays = moment.rays[asked]
        hit = _cast(self.still, moment.pose, rays)
        hit[hit < 0] = self.sky
        depth = depth_of(moment.table, hit, x, y)
        if moment.moving is None:
            return hit, depth
        near = np.flatnonzero(moment.near_mover[asked])
        other = _cast(moment.moving, moment.pose, rays[near])
        met, other = near[other >= 0], other[other >= 0] + len(self.world.surfaces.ids)
        other_depth = depth_of(moment.table, other, x[met], y[met])
        nearer = other_depth < depth[met]
        hit[met[nearer]], depth[met[nearer]] = other[nearer], other_depth[nearer]
        return hit, depth

    def _centres(
        self, moment: _Moment, hit: Int[np.ndarray, " r"]
    ) -> tuple[Int[np.ndarray, " p"], Float[np.ndarray, " p"]]:
        """Triangle and depth at pixel centres: a triangle that holds all samples holds the centre too."""
        pixels = self.camera.pixels
        per_sample = hit.reshape(_NUM, pixels)
        centre = per_sample[0].copy()
        mixed = np.flatnonzero((per_sample[1:] != centre).any(0))
        centre[mixed], _ = self._nearest(moment, mixed + _NUM * pixels)
        x, y = self.camera.x[_NUM * pixels :], self.camera.y[_NUM * pixels :]
        return centre, depth_of(moment.table, centre, x, y)

    def _sunlit(
        self,
        moment: _Moment,
        depth: Float[np.ndarray, " r"],
        hit: Int[np.ndarray, " r"],
        sun: Float[np.ndarray, "t 4"],
    ) -> Float[np.ndarray, " r"]:
        """1 where nothing stands between a sample and the sun, else 0."""
        asked = np.flatnonzero((sun[:, 0] > 0)[hit])
        eye, towards = moment.pose[:3, 3].astype(np.float32), self.world.light.towards_sun.astype(np.float32)
        reach = depth[asked] - np.float32(_LIFT)
        points = moment.rays[asked] * reach[:, None] + (eye + towards * np.float32(_LIFT))
        directions = np.broadcast_to(towards, points.shape).copy()
        lit = np.ones(len(hit), np.float32)
        for scene in (self.still, moment.moving):
            if scene is not None:
                lit[asked[scene.run(points, directions, query="OCCLUDED") == 0]] = 0
        return lit


def _scene_of(surfaces: Surfaces) -> EmbreeScene:
    """Acceleration structure of triangles."""
    scene = EmbreeScene()
    TriangleMesh(scene, surfaces.corners.astype(np.float32))
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


def _gains(light: Light, moment: _Moment) -> tuple[Float[np.ndarray, "t 4"], Float[np.ndarray, "t 4"]]:
    """What multiplies a triangle's texture in shadow, and what the sun adds; the sky shines by itself."""
    planes, surfaces = moment.planes, moment.surfaces
    seen_side = np.sign(height_above(planes, moment.pose[:3, 3]))
    x, y, z = planes.normal * light.towards_sun[:, None]
    facing = np.maximum((x + y + z) * seen_side, 0).astype(np.float32)
    shade = (0.7 - 0.3 * planes.normal[1] * seen_side).astype(np.float32)
    sky = surfaces.ids == SKY
    facing[sky] = 0
    colour = np.zeros((2, len(sky), 4), np.float32)
    colour[..., :3] = surfaces.colour
    colour[0, :, :3] *= light.ambient.astype(np.float32)
    colour[1, :, :3] *= light.sun.astype(np.float32)
    ambient, sun = colour[0] * shade[:, None], colour[1] * facing[:, None]
    ambient[sky, :3] = surfaces.colour[sky]
    return ambient, sun
