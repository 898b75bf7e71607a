"""A camera in a hand in a room: where it stands, where it looks, and its way between what stands there."""

import numpy as np
from jaxtyping import Float

from lumde.worlds.floorplan import Room, Taken
from lumde.worlds.kit import shifted
from lumde.worlds.motion import handheld

_CLEAR = 0.3  # metres between the camera and anything as high as it
_NEAR = 0.08  # metres that it keeps from everything while it moves
_SHARES = (1.0, 0.8, 0.6, 0.45, 0.3, 0.2, 0.1, 0.0)  # of its way that are tried
_TRIES = 400  # places of a camera that are looked at

View = tuple[tuple[float, float, float], float, float]  # eye, yaw, pitch


def walk(rng: np.random.Generator, room: Room) -> Float[np.ndarray, "n 4 4"]:
    """Poses `world_from_camera` of a hand-held camera in a furnished room."""
    eye, yaw, pitch = _view(rng, room)
    return held_back(room, handheld(rng, eye, yaw, pitch))


def _view(rng: np.random.Generator, room: Room) -> View:
    """Where the camera starts, and where it looks: over a table beside it, or at what stands further off."""
    tables = [taken for taken in room.taken if 0.4 < taken[3] < 1.1 and min(taken[1:3]) > 0.25]
    if tables and rng.random() < 0.4:
        view = _across(rng, room, tables[rng.integers(len(tables))])
        if view:
            return view
    height = float(rng.uniform(0.6, 1.8))
    for attempt in range(_TRIES):
        place = room.somewhere(rng)
        reach = _CLEAR + 0.45 * (1 - attempt / _TRIES)  # less and less if no place is found
        if room.is_free(place, reach, above=height - 0.3):
            view = _at_something(rng, room, (place[0], -height, place[2]))
            if room.is_open(*view[:2]):
                return view
    # Above all that stands in the middle.
    return _at_something(rng, room, (0.0, -2.0, room.length / 2))


def _at_something(rng: np.random.Generator, room: Room, eye: tuple[float, float, float]) -> View:
    """A view of what stands further off, or in any direction."""
    targets = [(p[0], p[2], h * 0.7) for p, _, _, h in room.taken]
    far = [t for t in targets if np.hypot(t[0] - eye[0], t[1] - eye[2]) > 1.4]
    if far and rng.random() < 0.85:
        x, z, up = far[rng.integers(len(far))]
    else:
        x, z, up = float(rng.uniform(-1, 1)) * room.half_width, float(rng.uniform(0, room.length)), 1.0
    return _looking(rng, eye, (x, -up, z))


def held_back(room: Room, poses: Float[np.ndarray, "n 4 4"]) -> Float[np.ndarray, "n 4 4"]:
    """The same way in smaller steps, until it leads through no wall and nothing that stands."""
    start, kept = poses[0, :3, 3], poses.copy()
    for share in _SHARES:
        kept[:, :3, 3] = start + share * (poses[:, :3, 3] - start)
        if room.holds(kept[:, :3, 3], _NEAR).all():
            break
    return kept


def _across(rng: np.random.Generator, room: Room, table: Taken) -> View | None:
    """A view from beside a table over its top; None if there is no room to stand."""
    place, half_width, half_depth, top = table
    for _ in range(12):
        side = rng.uniform(-np.pi, np.pi)
        away = float(rng.uniform(0.05, 0.5))
        across, along = (half_width + away) * float(np.sin(side)), (half_depth + away) * float(np.cos(side))
        x, _, z, _ = shifted(place, across, along)
        height = top + float(rng.uniform(0.35, 0.9))
        if room.is_free((x, 0.0, z, 0.0), 0.15, above=height - 0.2):
            beyond = float(rng.uniform(0.0, 1.0))  # the far edge, or the middle
            aim = shifted(place, -beyond * across, -beyond * along, top)[:3]
            view = _looking(rng, (x, -height, z), aim)
            if room.is_open(*view[:2]):
                return view
    return None


def _looking(
    rng: np.random.Generator, eye: tuple[float, float, float], aim: tuple[float, float, float]
) -> View:
    """Start, yaw and pitch of a camera that looks about at a point."""
    x, down, z = (a - b for a, b in zip(aim, eye, strict=True))
    distance = max(float(np.hypot(x, z)), 0.5)
    yaw = float(np.arctan2(x, z)) + float(rng.normal(0, 0.2))
    pitch = float(np.clip(np.arctan2(down, distance), -0.2, 0.7)) + float(rng.normal(0, 0.08))
    return eye, yaw, pitch
