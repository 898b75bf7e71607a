"""The road's course and the camera's way along it: smooth, forward, turning and pitching, as at 10 Hz."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

MAX_FRAMES = 44  # longest clip a world has room for
STEP = 1.0  # metres between two knots of the course
BEHIND = 20.0  # metres of road before the start


@dataclass(frozen=True)
class Course:
    """Centre line of the road over its arc length, and the height of the land."""

    x: Float[np.ndarray, " k"]  # at arc lengths -BEHIND, -BEHIND + STEP, ...
    z: Float[np.ndarray, " k"]
    heading: Float[np.ndarray, " k"]  # radians, 0 = along z, positive to the right
    swell: tuple[float, float, float]  # height amplitude in metres, wave length in metres, phase
    bank: float  # height per metre of x

    @property
    def length(self) -> float:
        """Arc length ahead of the start, metres."""
        return (len(self.x) - 1) * STEP - BEHIND

    def at(
        self, along: Float[np.ndarray, " m"], aside: Float[np.ndarray, " m"] | float = 0.0
    ) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """World x, z and heading at an arc length and an offset to the right of the centre line, metres."""
        knots = np.arange(len(self.x)) * STEP - BEHIND
        x, z, heading = (np.interp(along, knots, values) for values in (self.x, self.z, self.heading))
        return x + aside * np.cos(heading), z - aside * np.sin(heading), heading

    def height(self, x: Float[np.ndarray, "*m"], z: Float[np.ndarray, "*m"]) -> Float[np.ndarray, "*m"]:
        """World y (down) of the land, metres."""
        amplitude, wavelength, phase = self.swell
        return amplitude * np.sin(z * (2 * np.pi / wavelength) + phase) + self.bank * x


def make_course(rng: np.random.Generator, length: float) -> Course:
    """Draw a road whose heading swings by at most about 40 degrees, over gently rolling land."""
    knots = np.arange(0.0, length + BEHIND, STEP) - BEHIND
    swing = rng.uniform(0.0, 0.3) * rng.choice([-1.0, 1.0])
    wave, phase = rng.uniform(90.0, 200.0), rng.uniform(0, 2 * np.pi)
    ripple = 0.25 * swing * np.sin(knots * (2 * np.pi / (0.37 * wave)) + 2 * phase)
    heading = swing * np.sin(knots * (2 * np.pi / wave) + phase) + ripple
    middle = 0.5 * (heading[1:] + heading[:-1])
    x = np.concatenate([[0.0], np.cumsum(np.sin(middle) * STEP)])
    z = np.concatenate([[0.0], np.cumsum(np.cos(middle) * STEP)])
    wavelength = rng.uniform(70.0, 180.0)
    amplitude = rng.uniform(0.0, 0.04) * wavelength / (2 * np.pi)  # slope of at most 4 %
    swell = (float(amplitude), float(wavelength), float(rng.uniform(0, 2 * np.pi)))
    return Course(x, z, heading, swell, float(rng.normal(0, 0.006)))


def drive(
    rng: np.random.Generator,
    course: Course,
    speed: float,
    lane: float,
    angles: tuple[float, float],
    heights: tuple[float, float],
) -> Float[np.ndarray, "n 4 4"]:
    """Camera poses `world_from_camera` of a drive of MAX_FRAMES frames.

    Args:
        rng: source of all variation.
        course: the road.
        speed: mean metres per frame; varies smoothly by at most 20 %.
        lane: metres to the right of the centre line; wanders by some decimetres.
        angles: of the camera, radians: below the road's slope, and to the right of its way.
        heights: lowest and highest that a camera is mounted, metres.
    """
    frames = np.arange(MAX_FRAMES, dtype=np.float64)
    height, (pitch, yaw) = rng.uniform(*heights), angles
    speeds = speed * (1 + _sway(rng, frames, 0.15, 40.0) + _sway(rng, frames, 0.04, 9.0))
    along = np.concatenate([[0.0], np.cumsum(speeds[1:])])
    x, z, heading = course.at(along, lane + _sway(rng, frames, 0.3, 35.0))
    turn = heading + yaw + _sway(rng, frames, np.radians(0.5), 30.0)
    ahead_x, ahead_z, _ = course.at(along + 2.0, lane)
    slope = (course.height(ahead_x, ahead_z) - course.height(x, z)) / 2.0  # positive downhill
    tilt = pitch + slope + _sway(rng, frames, np.radians(0.15), 11.0)
    roll = _sway(rng, frames, np.radians(0.25), 23.0)
    centre = np.stack([x, course.height(x, z) - height, z], -1)
    return poses_from_angles(centre, turn, tilt, roll)


def handheld(
    rng: np.random.Generator, start: tuple[float, float, float], yaw: float, pitch: float
) -> Float[np.ndarray, "n 4 4"]:
    """Camera poses `world_from_camera` of MAX_FRAMES frames held in a hand around a place.

    Steps of about 10 to 60 mm and turns of .3 to 2.5 degrees in all directions; the camera mostly stays
    within half a metre of `start` (metres), a third go farther, up to 1.5. What stands in the way is the
    world's to see to.
    """
    frames = np.arange(MAX_FRAMES, dtype=np.float64)
    step, turn = rng.uniform(0.01, 0.06), np.radians(rng.uniform(0.3, 2.5))
    axes = []
    for share in (0.8, 0.35, 0.8):
        period = rng.uniform(25.0, 60.0)
        slow = _sway(rng, frames, share * step * period / (2 * np.pi) * 1.6, period)
        axes.append(slow + _sway(rng, frames, 0.003, 9.0))
    centre = np.stack(axes, -1)
    centre = np.array(start) + centre - centre[0]
    angles = []
    for share, most in ((0.9, 0.5), (0.5, 0.2), (0.25, 0.1)):
        period = rng.uniform(25.0, 60.0)
        angles.append(_sway(rng, frames, min(share * turn * period / (2 * np.pi) * 1.6, most), period))
    roll = rng.normal(0, 0.06) + angles[2]
    return poses_from_angles(centre, yaw + angles[0], pitch + angles[1], roll)


def _sway(
    rng: np.random.Generator, frames: Float[np.ndarray, " n"], size: float, period: float
) -> Float[np.ndarray, " n"]:
    """A slow oscillation of about the given amplitude and period in frames."""
    amplitude, rate = size * rng.uniform(0.2, 1.0), rng.uniform(0.7, 1.4) / period
    return amplitude * np.sin(frames * (2 * np.pi * rate) + rng.uniform(0, 2 * np.pi))


def poses_from_angles(
    centre: Float[np.ndarray, "n 3"],
    yaw: Float[np.ndarray, " n"],
    pitch: Float[np.ndarray, " n"],
    roll: Float[np.ndarray, " n"],
) -> Float[np.ndarray, "n 4 4"]:
    """Poses from yaw (to the right), then pitch (downwards), then roll (clockwise), radians."""
    zero = np.zeros_like(yaw)
    right = np.stack([np.cos(yaw), zero, -np.sin(yaw)], -1)
    level = np.stack([np.sin(yaw), zero, np.cos(yaw)], -1)
    down = np.array([0.0, 1.0, 0.0])
    sine, cosine = np.sin(pitch)[:, None], np.cos(pitch)[:, None]
    forward = cosine * level + sine * down
    below = cosine * down - sine * level
    sine, cosine = np.sin(roll)[:, None], np.cos(roll)[:, None]
    poses = np.tile(np.eye(4), (len(yaw), 1, 1))
    poses[:, :3, 0] = cosine * right + sine * below
    poses[:, :3, 1] = cosine * below - sine * right
    poses[:, :3, 2] = forward
    poses[:, :3, 3] = centre
    return poses
