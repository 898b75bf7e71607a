"""Procedural streets: a road between buildings, vehicles, poles, trees and people, drawn from one seed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lumde.worlds import furniture
from lumde.worlds.ground import KERB_HEIGHT, make_ground, make_sky
from lumde.worlds.kit import Kit, Place
from lumde.worlds.motion import MAX_FRAMES, Course, drive, make_course, poses_from_angles
from lumde.worlds.odd import monument, paint_odd
from lumde.worlds.patterns import TILE_M, paint_street
from lumde.worlds.scene import Light, Mover, World, join
from lumde.worlds.solids import Solid, triangulate
from lumde.worlds.textures import Atlas

Maker = Callable[[Kit, Place, int], list[Solid]]
_VIEW = 18.0  # metres of street beyond the camera's last place


@dataclass(frozen=True)
class _Layout:
    """Measures of one street's cross-section, metres."""

    course: Course
    half_road: float
    pavement: float
    setback: float  # from the pavement to the usual building line
    lane: float  # of the camera, to the right of the centre line
    built: tuple[float, float] = (1.0, 1.0)  # share of the building sites that are used, left and right
    closed: bool = True  # buildings across its end
    parked: Maker = furniture.vehicle  # what stands along the kerb

    def place(self, along: float, aside: float, turn: float = 0.0, raised: bool = True) -> Place:
        """A place by arc length and offset to the right of the centre line; raised = on the pavement."""
        x, z, heading = self.course.at(np.array([along]), aside)
        y = self.course.height(x, z) - (KERB_HEIGHT if raised else 0.0)
        return float(x[0]), float(y[0]), float(z[0]), float(heading[0]) + turn


@dataclass(frozen=True)
class _Ranges:
    """What the camera of a street is drawn from."""

    speed: tuple[float, float] = (0.5, 1.05)  # metres per frame
    fov_deg: tuple[float, float] = (46.0, 66.0)
    height: tuple[float, float] = (1.5, 2.0)  # metres above the road
    open: float = 0.0  # share of roads with few buildings
    sun_deg: tuple[float, float] = (20.0, 65.0)  # above the horizon
    paint: Callable[[np.random.Generator], Atlas] = paint_street
    parked: Maker = furniture.vehicle
    fog: bool = False


_WIDE = _Ranges(speed=(0.15, 1.6), fov_deg=(45.0, 100.0), height=(1.0, 2.2), open=0.6)
# Outside of all that the others are drawn from: a coach's camera, wider, in fog and low sun.
_ODD = _Ranges(
    fov_deg=(104.0, 118.0),
    height=(2.6, 3.8),
    open=0.6,
    sun_deg=(4.0, 14.0),
    paint=paint_odd,
    parked=monument,
    fog=True,
)


def make_street(seed: int) -> World:
    """Draw a whole street: textures, layout, light, camera and its drive. Same seed, same world."""
    return _street(seed, _Ranges())


def make_wide_street(seed: int) -> World:
    """Draw a street that is seen by any car's camera, at any speed of a town."""
    return _street(seed, _WIDE)


def make_odd_street(seed: int) -> World:
    """Draw a street for tests alone: seen from above, wide, through fog; no surface as in another world."""
    return _street(seed, _ODD)


def _street(seed: int, ranges: _Ranges) -> World:
    rng = np.random.default_rng(seed)
    atlas = ranges.paint(rng)
    speed = float(rng.uniform(*ranges.speed))
    course = make_course(rng, MAX_FRAMES * speed * 1.2 + _VIEW)
    half_road = float(rng.uniform(2.4, 6.5))
    layout = _Layout(
        course,
        half_road,
        pavement=float(rng.uniform(1.0, 2.6)),
        setback=float(rng.uniform(0.0, 7.0)),
        lane=float(rng.choice([-1, 1]) * rng.uniform(0.2, 0.5) * half_road),
        parked=ranges.parked,
        **_openness(seed, ranges.open),
    )
    fov_deg = float(rng.uniform(*ranges.fov_deg))
    pitch, yaw = (float(np.radians(angle)) for angle in rng.uniform((-1.0, -8.0), (8.0, 8.0)))
    poses = drive(rng, course, speed, layout.lane, (pitch, yaw), ranges.height)
    kit = Kit(rng, atlas.names, TILE_M)
    solids = [solid for side in (-1, 1) for solid in _roadside(kit, layout, side)]
    if layout.closed:
        solids += _closing_row(kit, layout)
    ground = make_ground(rng, course, atlas.names, half_road, layout.pavement)
    middle = (float(course.x.mean()), float(course.z.mean()))
    sky = make_sky(atlas.index("sky"), middle)
    surfaces = join([sky, ground, triangulate(solids)])
    movers = _movers(kit, layout, speed)
    light, fog = _light(rng, ranges.sun_deg), ranges.fog
    return World(seed, surfaces, len(sky.ids), movers, atlas, light, fov_deg, poses, fog=fog)


def _openness(seed: int, share: float) -> dict[str, Any]:
    """Where buildings are missing, by random numbers of its own: what else is drawn stays as it is."""
    rng = np.random.default_rng((seed, 2))
    if rng.random() >= share:
        return {}
    left, right = rng.choice([0.0, 0.15, 0.5, 1.0], 2, p=[0.35, 0.25, 0.25, 0.15])
    return {"built": (float(left), float(right)), "closed": bool(rng.random() < 0.3)}


def _light(rng: np.random.Generator, sun_deg: tuple[float, float]) -> Light:
    """A sun behind more or less cloud."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(*np.radians(sun_deg))
    towards = np.array(
        [np.cos(elevation) * np.sin(azimuth), -np.sin(elevation), np.cos(elevation) * np.cos(azimuth)]
    )
    clear, exposure = rng.uniform(0.0, 0.8), rng.uniform(1.0, 1.3)
    warm = np.array([1.06, 1.0, 0.9])
    cool = np.array([0.96, 1.0, 1.05])
    return Light(towards, exposure * clear * warm, exposure * (1.0 - 0.45 * clear) * cool)


def _roadside(kit: Kit, layout: _Layout, side: int) -> list[Solid]:
    """One side of the street (-1 left, 1 right), from behind the start to the end."""
    return [
        *_buildings(kit, layout, side),
        *_second_row(kit, layout, side),
        *_belt(kit, layout, side),
        *_parked(kit, layout, side),
        *_street_furniture(kit, layout, side),
    ]


def _buildings(kit: Kit, layout: _Layout, side: int) -> list[Solid]:
    """Buildings along the road with gaps; gardens with walls and plants before those that stand back."""
    rng, solids = kit.rng, []
    line = layout.half_road + layout.pavement
    built = layout.built[side > 0]
    density = rng.uniform(0.85, 1.0) * built
    along = -15.0
    while along < layout.course.length - 12.0:
        half_length = float(rng.uniform(3.0, 9.0))
        back = layout.setback + float(
            rng.choice([0.0, rng.uniform(0, 1.5), rng.uniform(2, 5)], p=[0.6, 0.3, 0.1])
        )
        middle = along + half_length
        if rng.random() < density:
            half_width = float(rng.uniform(4.0, 7.0))
            turn = 0.0 if side > 0 else np.pi
            place = layout.place(middle, side * (line + back + half_width), turn, raised=False)
            solids += furniture.building(kit, place, half_width, half_length, kit.new_id())
        if back > 2.0 or rng.random() < (0.3 if built > 0.5 else 0.6):
            solids += _garden(kit, layout, side, middle, half_length, back)
        along += 2 * half_length + float(rng.choice([0.0, rng.uniform(0.5, 6.0)]))
    return solids


def _garden(
    kit: Kit, layout: _Layout, side: int, middle: float, half_length: float, depth: float
) -> list[Solid]:
    """A boundary wall or hedge along the pavement, with bushes and a tree behind it."""
    rng, solids = kit.rng, []
    edge = layout.half_road + layout.pavement + 0.5
    if rng.random() < 0.7:
        place = layout.place(middle, side * edge, raised=False)
        solids += furniture.wall(kit, place, 0.9 * half_length, kit.new_id())
    makers = (furniture.bush, furniture.tree, furniture.container)
    for kind in rng.choice(len(makers), rng.integers(1, 4)):
        where = layout.place(
            middle + float(rng.uniform(-0.9, 0.9)) * half_length,
            side * (edge + float(rng.uniform(0.8, max(1.2, depth)))),
            raised=False,
        )
        solids += makers[kind](kit, where, kit.new_id())
    return solids


def _second_row(kit: Kit, layout: _Layout, side: int) -> list[Solid]:
    """Taller buildings and trees behind, seen through the gaps."""
    rng, solids = kit.rng, []
    along = -10.0
    while along < layout.course.length:
        half_length = float(rng.uniform(5.0, 10.0))
        aside = side * (layout.half_road + layout.pavement + float(rng.uniform(24.0, 34.0)))
        place = layout.place(along + half_length, aside, 0.0 if side > 0 else np.pi, raised=False)
        if rng.random() < 0.7 * layout.built[side > 0]:
            solids += furniture.building(kit, place, 5.0, half_length, kit.new_id())
        else:
            solids += furniture.tree(kit, place, kit.new_id())
        along += 2 * half_length + float(rng.uniform(1.0, 9.0))
    return solids


def _belt(kit: Kit, layout: _Layout, side: int) -> list[Solid]:
    """Woods and thickets along an open side, often without a gap."""
    if layout.built[side > 0] > 0.5 or kit.rng.random() < 0.3:
        return []
    rng, solids = kit.rng, []
    edge, size = layout.half_road + layout.pavement, float(rng.uniform(1.2, 4.5))
    back, gap = edge + size + float(rng.uniform(1.0, 14.0)), float(rng.choice([0.8, 1.0, 2.5]))
    along = -15.0
    while along < layout.course.length + 30.0:
        place = layout.place(along, side * (back + float(rng.uniform(0.0, 3.0))), raised=False)
        solids += furniture.thicket(kit, place, size, kit.new_id())
        along += gap * size * float(rng.uniform(0.8, 1.6))
    return solids


def _closing_row(kit: Kit, layout: _Layout) -> list[Solid]:
    """Buildings across the end of the street."""
    solids = []
    for aside in np.arange(-48.0, 49.0, 12.0):
        place = layout.place(layout.course.length, float(aside), -np.pi / 2, raised=False)
        if kit.rng.random() < 0.2:
            continue  # a gap through which the sky shows
        solids += furniture.building(kit, place, 5.0, 6.2, kit.new_id())
    return solids


def _parked(kit: Kit, layout: _Layout, side: int) -> list[Solid]:
    """Vehicles along the kerb; none where the camera's lane runs close to it."""
    rng, solids = kit.rng, []
    gap = layout.half_road - 1.0 - abs(layout.lane) if side * layout.lane > 0 else 3.0
    on_pavement = gap < 2.1
    density = rng.uniform(0.05, 0.35)
    aside = layout.half_road + (1.1 if on_pavement else -1.05)
    if on_pavement and layout.pavement < 2.0:
        return []
    along = -10.0
    while along < layout.course.length - 10.0:
        if rng.random() < density:
            turn = float(rng.normal(0, 0.03)) + (np.pi if rng.random() < 0.4 else 0.0)
            sway = float(rng.uniform(-0.1, 0.1))
            place = layout.place(along, side * (aside + sway), turn, raised=on_pavement)
            solids += layout.parked(kit, place, kit.new_id())
        along += float(rng.uniform(5.6, 8.5))
    return solids


def _street_furniture(kit: Kit, layout: _Layout, side: int) -> list[Solid]:
    """Lamps at even distances; trees, signs, containers and standing people in between."""
    rng, solids = kit.rng, []
    spacing = float(rng.uniform(18.0, 40.0))
    kerb, back = layout.half_road + 0.35, layout.half_road + layout.pavement - 0.35
    for along in np.arange(float(rng.uniform(-10, 10)), layout.course.length, spacing):
        turn = np.pi if side > 0 else 0.0
        solids += furniture.lamp(kit, layout.place(float(along), side * kerb, turn), kit.new_id())
    makers = [furniture.tree, furniture.sign, furniture.container, furniture.person, furniture.bush]
    weights = rng.dirichlet(np.ones(len(makers)))
    along = -8.0
    while along < layout.course.length:
        make = makers[rng.choice(len(makers), p=weights)]
        if make in (furniture.tree, furniture.sign):
            aside = kerb
        else:
            aside = back + 0.4 if make is furniture.bush else float(rng.uniform(kerb, back))
        solids += make(kit, layout.place(along, side * aside), kit.new_id())
        along += float(rng.gamma(2.0, 4.0)) + 1.0
    return solids


def _movers(kit: Kit, layout: _Layout, speed: float) -> tuple[Mover, ...]:
    """Up to three objects that move by themselves: oncoming vehicles, one ahead, people on the pavement."""
    rng = kit.rng
    movers = []
    for _ in range(int(rng.choice(4, p=[0.4, 0.3, 0.2, 0.1]))):
        kind = rng.choice(3, p=[0.5, 0.1, 0.4])
        start = float(rng.uniform(20.0, 90.0))
        if kind == 0:
            aside, pace, turn = layout.lane - 3.1 * np.sign(layout.lane), -rng.uniform(0.4, 1.2), np.pi
        elif kind == 1:
            aside, pace, turn = layout.lane, speed * rng.uniform(0.9, 1.15), 0.0
            start = float(rng.uniform(14.0, 25.0))
        else:
            pace = rng.uniform(0.08, 0.16) * rng.choice([-1, 1])
            aside = rng.choice([-1, 1]) * (layout.half_road + layout.pavement * 0.6)
            turn = 0.0 if pace > 0 else np.pi
        make = furniture.person if kind == 2 else furniture.vehicle
        solids = make(kit, (0.0, 0.0, 0.0, 0.0), kit.new_id())
        along = start + float(pace) * np.arange(MAX_FRAMES)
        x, z, heading = layout.course.at(np.clip(along, -15.0, layout.course.length - 8.0), float(aside))
        lift = KERB_HEIGHT if kind == 2 else 0.0
        centre = np.stack([x, layout.course.height(x, z) - lift, z], -1)
        level = np.zeros(MAX_FRAMES)
        movers.append(Mover(triangulate(solids), poses_from_angles(centre, heading + turn, level, level)))
    return tuple(movers)
