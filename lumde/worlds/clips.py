"""Whole clips from seeds, one after the other or in parallel, in the same order and bytes."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.util import Finalize
from typing import NamedTuple

from lumde.worlds.look import make_look
from lumde.worlds.render import render_clip
from lumde.worlds.room import make_room
from lumde.worlds.scene import Clip, World
from lumde.worlds.shapes import make_shapes
from lumde.worlds.street import make_odd_street, make_street, make_wide_street

FAMILIES: dict[str, Callable[[int], World]] = {
    "streets": make_street,
    "wide_streets": make_wide_street,
    "rooms": make_room,
    "shapes": make_shapes,
}
TESTS_ALONE: dict[str, Callable[[int], World]] = {"odd_streets": make_odd_street}  # never to learn from


class Order(NamedTuple):
    """Which world to render, and which of its frames."""

    family: str
    seed: int
    frames: tuple[int, ...]
    look: bool = False  # with shine, haze and a camera's exposure


def render_world(order: Order, height: int, width: int) -> Clip:
    """Make the world of a seed and render the frames with the given indices."""
    world = (FAMILIES | TESTS_ALONE)[order.family](order.seed)
    return render_clip(world, height, width, order.frames, make_look(world) if order.look else None)


class Studio:
    """Renders orders, in other processes if asked, and can begin with what will be wanted later.

    The processes start afresh (spawn), because a fork of a process that runs threads may hang.
    """

    def __init__(self, height: int, width: int, processes: int = 0) -> None:
        """Clips of `height` x `width` pixels; `processes` that share the work, 0 = this one."""
        self.height, self.width, self.processes = height, width, processes
        self._pool: ProcessPoolExecutor | None = None
        self._end: Finalize | None = None
        self._begun: dict[Order, Future[Clip]] = {}

    def render(self, orders: Sequence[Order]) -> Iterator[Clip]:
        """One clip per order, in their order; what was prepared is only waited for."""
        if not self.processes:
            for order in orders:
                yield render_world(order, self.height, self.width)
            return
        self.prepare(orders)
        for order in orders:
            yield self._begun.pop(order).result()

    def prepare(self, orders: Sequence[Order]) -> None:
        """Begin to render in the background, if there are other processes."""
        if not self.processes or not orders:
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.processes, get_context("spawn"))
            # Before multiprocessing closes the queues at exit: else a process that was itself started by it
            # waits for these for ever.
            self._end = Finalize(self, self._pool.shutdown, kwargs={"cancel_futures": True}, exitpriority=100)
        for order in orders:
            if order not in self._begun:
                self._begun[order] = self._pool.submit(render_world, order, self.height, self.width)

    def close(self) -> None:
        """End the other processes; a later order starts them anew."""
        if self._end is not None:
            self._end()
        self._pool, self._end, self._begun = None, None, {}

    def __getstate__(self) -> dict[str, object]:
        """Copies (of loader workers) share no processes."""
        return {**vars(self), "_pool": None, "_end": None, "_begun": {}}
