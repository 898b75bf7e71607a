"""How far a long job is, told on stderr: a bar with ETA on a terminal, else a plain line now and then."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import Protocol, TypeVar, runtime_checkable

from tqdm import tqdm

PLAIN_LINE_S = 10.0  # between plain lines; a job that is over sooner prints none
BAR_AFTER_S = 1.0  # a bar for less would only flicker

T = TypeVar("T")


@runtime_checkable  # for annotation checkers
class Progress(Protocol):
    """Hands things on one by one and tells how many are done."""

    def __call__(self, things: Iterable[T], what: str, count: int | None = None) -> Iterable[T]:
        """Wrap `things` of a job called `what`; `count` of them, None = their length, if they have one."""


def silent(things: Iterable[T], what: str, count: int | None = None) -> Iterable[T]:
    """Report nothing."""
    return things


def shown(things: Iterable[T], what: str, count: int | None = None, unit: str = "frame") -> Iterator[T]:
    """Report on stderr."""
    if count is None and isinstance(things, Sized):
        count = len(things)
    if sys.stderr.isatty():
        yield from tqdm(things, what, count, unit=unit, file=sys.stderr, delay=BAR_AFTER_S)
        return
    started = told = time.monotonic()
    for done, thing in enumerate(things):
        now = time.monotonic()
        if now - told > PLAIN_LINE_S:
            left = f", ETA {(now - started) / done * (count - done):.0f} s" if count and done else ""
            print(f"{what}: {done}/{count or 'unknown'} {unit}s{left}", file=sys.stderr)
            told = now
        yield thing
