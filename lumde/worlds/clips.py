"""Whole clips from seeds, one after the other or in parallel, in the same order and bytes."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context

from lumde.worlds.render import render_clip
from lumde.worlds.scene import Clip
from lumde.worlds.street import make_street


def render_street(seed: int, height: int, width: int, frames: Sequence[int]) -> Clip:
    """Make the street of a seed and render the frames with the given indices."""
    return render_clip(make_street(seed), height, width, frames)


def render_streets(
    seeds: Sequence[int], height: int, width: int, frames: Sequence[Sequence[int]], processes: int = 0
) -> Iterator[Clip]:
    """Render one clip per seed.

    Args:
        seeds: of the streets.
        height: pixels.
        width: pixels.
        frames: for each street the indices of its frames.
        processes: how many processes share the work; 0 = this one. They start afresh (spawn), because a fork
            of a process that runs threads may hang.
    """
    arguments = (seeds, repeat(height), repeat(width), frames)
    if processes < 1 or len(seeds) < 2:
        yield from map(render_street, *arguments)
        return
    with ProcessPoolExecutor(min(processes, len(seeds)), get_context("spawn")) as pool:
        yield from pool.map(render_street, *arguments)
