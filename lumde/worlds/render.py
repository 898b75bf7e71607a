"""Ray-cast clips of a world: embree finds which triangle a ray meets, all numbers after that are our own.

Depth follows from the triangle's plane in float32 and plain arithmetic, so that it is exact and does not
depend on how the ray caster was compiled. Every pixel averages 2 x 2 samples at +-0.25 pixels, each looked up at its
footprint; depth and ids are those of the pixel's centre.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Float, Int

from lumde.worlds.scene import SKY, Clip, Light, Surfaces, World, join
from lumde.worlds.textures import SIZE, look_up

_SAMPLES = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))  # pixels from the centre
# Each sample rounds its texture level at another quarter, so that the mean over a pixel changes smoothly.
_LEVEL_SHIFT = np.array([1.0905077, 1.2968396, 1.5422108, 1.8340081], np.float32)  # 2 ** (1/8, 3/8, 5/8, 7/8)
_NUM = len(_SAMPLES)
_LIFT = 0.01  # metres by which a shadow ray starts off its surface


@dataclass(frozen=True)
class _Planes:
    """Affine functions of world position, per triangle, float64: plane (= 1 on the triangle) and texels."""

    normal: Float[np.ndarray, "t 3"]  # unit
    offset: Float[np.ndarray, " t"]  # normal . point on the triangle
    gradient: Float[np.ndarray, "2 t 3"]  # texels per metre of u and v
    constant: Float[np.ndarray, "2 t"]


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
    intrinsics = intrinsics_of(world, height, width)
    camera = _Camera(intrinsics, height, width)
    caster = _Caster(world)
    clip = Clip(
        np.empty((len(chosen), height, width, 3), np.uint8),
        np.empty((len(chosen), height, width), np.float32),
        np.empty((len(chosen), height, width), np.int16),
        np.empty((len(chosen), height, width), np.bool_),
        world.world_from_camera[chosen],
        intrinsics,
    )
    first_mover = min((int(m.surfaces.ids[0]) for m in world.movers), default=np.iinfo(np.int16).max)
    for i, frame in enumerate(chosen):
        image, depth, ids = caster.render(camera, frame)
        clip.images[i] = image.reshape(height, width, 3)
        clip.depth[i] = depth.reshape(height, width)
        clip.ids[i] = ids.reshape(height, width)
    clip.movers[:] = clip.ids >= first_mover
    return clip


class _Camera:
    """Viewing directions with unit z of a frame: _NUM blocks of samples, then pixel centres."""

    def __init__(self, intrinsics: Float[np.ndarray, "3 3"], height: int, width: int) -> None:
        rows, columns = np.mgrid[:height, :width].reshape(2, -1)
        focal, centre = intrinsics[0, 0], intrinsics[:2, 2]
        offsets = np.array([*_SAMPLES, (0.0, 0.0)])[..., None]
        self.x = ((columns + offsets[:, 0] - centre[0]) / focal).astype(np.float32).ravel()
        self.y = ((rows + offsets[:, 1] - centre[1]) / focal).astype(np.float32).ravel()
        self.pixels = height * width
        self.sample_extent = np.float32(0.5 / focal)  # of a sample, at unit depth

    def rays(self, pose: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "r 3"]:
        """World directions of all samples."""
        rotation = pose[:3, :3].astype(np.float32)
        rays = np.empty((len(self.x), 3), np.float32)
        for axis in range(3):
            rays[:, axis] = self.x * rotation[axis, 0] + self.y * rotation[axis, 1] + rotation[axis, 2]
        return rays


class _Caster:
    """A world ready for casting: acceleration structure and planes of what stands still."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.scene = _scene_of(world.surfaces)
        self.planes = _planes_of(world.surfaces)
        self.sky = int(np.argmax(world.surfaces.ids == SKY))

    def render(
        self, camera: _Camera, frame: int
    ) -> tuple[Float[np.ndarray, "p 3"], Float[np.ndarray, " p"], Int[np.ndarray, " p"]]:
        """Image (0-255), depth and ids of one frame, pixels in rows."""
        pose = self.world.world_from_camera[frame]
        rays = camera.rays(pose)
        scenes, surfaces, planes = [self.scene], self.world.surfaces, self.planes
        if self.world.movers:
            moved = join([_moved(m.surfaces, m.world_from_object[frame]) for m in self.world.movers])
            scenes.append(_scene_of(moved))
            surfaces = join([surfaces, moved])
            planes = _joined(planes, _planes_of(moved))
        table = _in_camera(planes, pose)
        hit, depth = self._nearest(scenes, pose, rays, table, camera)
        samples = _NUM * camera.pixels
        texels = _shade_free(self.world, surfaces, table, camera, hit[:samples], depth[:samples])
        ambient, sun = _gains(self.world.light, surfaces, planes, pose)
        lit = self._sunlit(scenes, planes, pose, rays[:samples], depth[:samples], hit[:samples], sun)
        texels *= ambient[hit[:samples]] + sun[hit[:samples]] * lit[:, None]
        image = texels.reshape(_NUM, camera.pixels, 4).sum(0)[:, :3] * np.float32(1 / _NUM)
        ids = surfaces.ids[hit[samples:]]
        centre_depth = np.where(ids == SKY, np.float32(0), depth[samples:])
        return np.rint(np.clip(image, 0, 255)), centre_depth, ids

    def _nearest(
        self,
        scenes: list[EmbreeScene],
        pose: Float[np.ndarray, "4 4"],
        rays: Float[np.ndarray, "r 3"],
        table: Float[np.ndarray, "11 t"],
        camera: _Camera,
    ) -> tuple[Int[np.ndarray, " r"], Float[np.ndarray, " r"]]:
        """Triangle and depth of every ray; a ray that slips through a seam sees the sky."""
        origins = np.broadcast_to(pose[:3, 3].astype(np.float32), rays.shape).copy()
        hit = scenes[0].run(origins, rays)
        hit[hit < 0] = self.sky
        depth = _depth_of(table, hit, camera.x, camera.y)
        for scene in scenes[1:]:
            other = scene.run(origins, rays)
            met = np.flatnonzero(other >= 0)
            index = other[met] + np.int32(len(self.world.surfaces.ids))
            other_depth = _depth_of(table, index, camera.x[met], camera.y[met])
            nearer = other_depth < depth[met]
            hit[met[nearer]], depth[met[nearer]] = index[nearer], other_depth[nearer]
        return hit, depth

    def _sunlit(
        self,
        scenes: list[EmbreeScene],
        planes: _Planes,
        pose: Float[np.ndarray, "4 4"],
        rays: Float[np.ndarray, "r 3"],
        depth: Float[np.ndarray, " r"],
        hit: Int[np.ndarray, " r"],
        sun: Float[np.ndarray, "t 4"],
    ) -> Float[np.ndarray, " r"]:
        """1 where nothing stands between a sample and the sun, else 0."""
        asked = np.flatnonzero((sun[:, 0] > 0)[hit])
        eye, towards = pose[:3, 3].astype(np.float32), self.world.light.towards_sun.astype(np.float32)
        points = eye + rays[asked] * (depth[asked] - np.float32(_LIFT))[:, None] + towards * np.float32(_LIFT)
        directions = np.broadcast_to(towards, points.shape).copy()
        lit = np.ones(len(hit), np.float32)
        for scene in scenes:
            blocked = scene.run(points, directions, query="OCCLUDED") == 0
            lit[asked[blocked]] = 0
        return lit


def _scene_of(surfaces: Surfaces) -> EmbreeScene:
    """Acceleration structure of triangles."""
    scene = EmbreeScene()
    TriangleMesh(scene, surfaces.corners.astype(np.float32))
    return scene


def _moved(surfaces: Surfaces, world_from_object: Float[np.ndarray, "4 4"]) -> Surfaces:
    """Surfaces in world coordinates."""
    x, y, z = (surfaces.corners[..., axis, None] for axis in range(3))
    rotation, centre = world_from_object[:3, :3], world_from_object[:3, 3]
    corners = x * rotation[:, 0] + y * rotation[:, 1] + z * rotation[:, 2] + centre
    return Surfaces(corners, surfaces.uv, surfaces.texture, surfaces.colour, surfaces.ids)


def _planes_of(surfaces: Surfaces) -> _Planes:
    """Planes and texture gradients from corners and their texels."""
    a, b, c = surfaces.corners.transpose(1, 0, 2)
    first, second = b - a, c - a
    normal = np.cross(first, second)
    area = (normal**2).sum(-1)
    towards_second, towards_first = np.cross(second, normal), np.cross(normal, first)
    uv = surfaces.uv
    gradient = np.stack(
        [
            (
                towards_second * (uv[:, 1] - uv[:, 0])[:, i, None]
                + towards_first * (uv[:, 2] - uv[:, 0])[:, i, None]
            )
            / area[:, None]
            for i in range(2)
        ]
    )
    normal = normal / np.sqrt(area)[:, None]
    constant = uv[:, 0].T - (gradient * a).sum(-1)
    return _Planes(normal, (normal * a).sum(-1), gradient, constant)


def _joined(first: _Planes, second: _Planes) -> _Planes:
    """Planes of two sets of triangles."""
    return _Planes(
        np.concatenate([first.normal, second.normal]),
        np.concatenate([first.offset, second.offset]),
        np.concatenate([first.gradient, second.gradient], 1),
        np.concatenate([first.constant, second.constant], 1),
    )


def _in_camera(planes: _Planes, pose: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "11 t"]:
    """Per triangle: inverse depth as a linear function of the direction (3), then u and v (4 each)."""
    centre = pose[:3, 3]
    distance = planes.offset - (planes.normal * centre).sum(-1)
    distance = np.where(np.abs(distance) < 1e-9, 1e-9, distance)
    rows = [(planes.normal * pose[:3, axis]).sum(-1) / distance for axis in range(3)]
    for gradient, constant in zip(planes.gradient, planes.constant, strict=True):
        rows += [(gradient * pose[:3, axis]).sum(-1) for axis in range(3)]
        rows.append(np.mod((gradient * centre).sum(-1) + constant, SIZE))
    return np.stack(rows).astype(np.float32)


def _depth_of(
    table: Float[np.ndarray, "11 t"],
    hit: Int[np.ndarray, " r"],
    x: Float[np.ndarray, " r"],
    y: Float[np.ndarray, " r"],
) -> Float[np.ndarray, " r"]:
    """Depth along z of the planes that were hit."""
    return 1 / (table[0][hit] * x + table[1][hit] * y + table[2][hit])


def _shade_free(
    world: World,
    surfaces: Surfaces,
    table: Float[np.ndarray, "11 t"],
    camera: _Camera,
    hit: Int[np.ndarray, " r"],
    depth: Float[np.ndarray, " r"],
) -> Float[np.ndarray, "r 4"]:
    """Texture of every sample, band-limited to its footprint."""
    x, y = camera.x[: len(hit)], camera.y[: len(hit)]
    slope_x, slope_y = table[0][hit], table[1][hit]
    extent = depth.reshape(_NUM, -1) * (_LEVEL_SHIFT * camera.sample_extent)[:, None]
    extent = extent.ravel()
    positions, footprints = [], []
    for first in (3, 7):
        along_x, along_y, along_z, constant = (table[first + i][hit] for i in range(4))
        position = (along_x * x + along_y * y + along_z) * depth
        change = np.abs(along_x - position * slope_x) + np.abs(along_y - position * slope_y)
        positions.append(position + constant)
        footprints.append(change * extent)
    return look_up(world.atlas, surfaces.texture[hit], tuple(positions), tuple(footprints))


def _gains(
    light: Light, surfaces: Surfaces, planes: _Planes, pose: Float[np.ndarray, "4 4"]
) -> tuple[Float[np.ndarray, "t 4"], Float[np.ndarray, "t 4"]]:
    """What multiplies a triangle's texture in shadow, and what the sun adds; the sky shines by itself."""
    faces = np.sign((planes.normal * pose[:3, 3]).sum(-1) - planes.offset)[:, None]
    normal = planes.normal * faces
    up = -normal[:, 1:2]
    facing = np.maximum((normal * light.towards_sun).sum(-1, keepdims=True), 0)
    ambient = surfaces.colour * light.ambient * (0.7 + 0.3 * up)
    sun = surfaces.colour * light.sun * facing
    sky = surfaces.ids == SKY
    ambient[sky], sun[sky] = surfaces.colour[sky], 0
    padded = np.zeros((2, len(sky), 4), np.float32)
    padded[0, :, :3], padded[1, :, :3] = ambient, sun
    return padded[0], padded[1]
