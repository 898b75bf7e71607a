"""Whole clips from seeds, one after the other or in parallel, in the same order and bytes."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from typing import NamedTuple

from lumde.worlds.render import render_clip
from lumde.worlds.room import make_room
from lumde.worlds.scene import Clip, World
from lumde.worlds.shapes import make_shapes
from lumde.worlds.street import make_street, make_wide_street

FAMILIES: dict[str, Callable[[int], World]] = {
    "streets": make_street,
    "wide_streets": make_wide_street,
    "rooms": make_room,
    "shapes": make_shapes,
}


class Order(NamedTuple):
    """Which world to render, and which of its frames."""

    family: str
    seed: int
    frames: tuple[int, ...]


def render_world(order: Order, height: int, width: int) -> Clip:
    """Make the world of a seed and render the frames with the given indices."""
    return render_clip(FAMILIES[order.family](order.seed), height, width, order.frames)


def render_worlds(orders: Sequence[Order], height: int, width: int, processes: int = 0) -> Iterator[Clip]:
    """Render one clip per order.

    Args:
        orders: family, seed and frames of each world.
        height: pixels.
        width: pixels.
        processes: how many processes share the work; 0 = this one. They start afresh (spawn), because a fork
            of a process that runs threads may hang.
    """
    arguments = (orders, repeat(height), repeat(width))
    if processes < 1 or len(orders) < 2:
        yield from map(render_world, *arguments)
        return
    with ProcessPoolExecutor(min(processes, len(orders)), get_context("spawn")) as pool:
        yield from pool.map(render_world, *arguments)
