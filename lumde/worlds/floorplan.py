"""A room's floor and what is taken of it; where furniture fits and where a camera may be. Metres."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from lumde.worlds.kit import Place
from lumde.worlds.solids import Solid

_NEAR = 0.1  # metres that a camera keeps from everything
_AHEAD = np.array([[0.0], [0.3], [0.6]])  # metres before it where nothing may fill its view

Taken = tuple[Place, float, float, float]  # place, half width, half depth, height


@dataclass
class Room:
    """A room's box, x from -half_width to half_width, z from 0 to length, and what stands in it."""

    half_width: float
    length: float
    height: float
    taken: list[Taken] = field(default_factory=list)  # floor that is no more free
    boxes: Float[np.ndarray, "8 s"] = field(default_factory=lambda: np.zeros((8, 0)))  # see `furnish`

    def walls(self) -> list[tuple[Place, float]]:
        """Middle of each wall's foot, heading into the room, and half its length."""
        middle = self.length / 2
        return [
            ((0.0, 0.0, 0.0, 0.0), self.half_width),
            ((0.0, 0.0, self.length, np.pi), self.half_width),
            ((-self.half_width, 0.0, middle, np.pi / 2), middle),
            ((self.half_width, 0.0, middle, -np.pi / 2), middle),
        ]

    def is_free(self, place: Place, reach: float, above: float = 0.0) -> bool:
        """Whether a disc around a place touches nothing that is higher than `above`, and no wall."""
        x, _, z, _ = place
        if abs(x) > self.half_width - reach or not reach < z < self.length - reach:
            return False
        for (tx, _, tz, heading), half_width, half_depth, height in self.taken:
            if height < above:
                continue
            sine, cosine = np.sin(heading), np.cos(heading)
            across, along = (x - tx) * cosine - (z - tz) * sine, (x - tx) * sine + (z - tz) * cosine
            gap = np.hypot(max(abs(across) - half_width, 0.0), max(abs(along) - half_depth, 0.0))
            if gap < reach:
                return False
        return True

    def somewhere(self, rng: np.random.Generator) -> Place:
        """Any place on the floor, any heading."""
        x = float(rng.uniform(-self.half_width, self.half_width))
        return x, 0.0, float(rng.uniform(0, self.length)), float(rng.uniform(-np.pi, np.pi))

    def furnish(self, solids: list[Solid]) -> None:
        """Remember the box around each of all the solids that stand and hang here."""
        self.boxes = np.array([_box_around(solid) for solid in solids]).reshape(-1, 8).T

    def holds(self, points: Float[np.ndarray, "n 3"], near: float) -> Bool[np.ndarray, " n"]:
        """Whether points are at least `near` metres from walls, floor, ceiling and the furniture's boxes."""
        (x, y, z), middle = points.T, self.length / 2
        inside = (np.abs(x) < self.half_width - near) & (np.abs(z - middle) < middle - near)
        inside &= (-y > near) & (-y < self.height - near)
        box_x, box_z, sine, cosine, half_width, half_depth, foot, top = self.boxes
        dx, dz, up = x[:, None] - box_x, z[:, None] - box_z, -y[:, None]
        hit = np.abs(dx * cosine - dz * sine) < half_width + near
        hit &= np.abs(dx * sine + dz * cosine) < half_depth + near
        hit &= (up > foot - near) & (up < top + near)
        return inside & ~hit.any(1)

    def is_open(self, eye: tuple[float, float, float], yaw: float) -> bool:
        """Whether a camera may be there, with nothing right before it that would fill its view."""
        ahead = np.array([np.sin(yaw), 0.0, np.cos(yaw)])
        return bool(self.holds(np.array(eye) + _AHEAD * ahead, _NEAR).all())


def _box_around(solid: Solid) -> tuple[float, ...]:
    """Its x, z, sine and cosine of the heading, half width, half depth, lowest and highest point."""
    (x, y, z, heading), (half_widths, half_depths, heights) = solid.place, zip(*solid.rings, strict=True)
    across = max(half_widths), max(half_depths)
    return x, z, float(np.sin(heading)), float(np.cos(heading)), *across, min(heights) - y, max(heights) - y
