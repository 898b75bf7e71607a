"""Procedural worlds with exact depth, pose, ids and movers, rendered into memory; nothing is downloaded."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lumde.data.base import FrameDataset
from lumde.errors import ConfigError
from lumde.progress import shown
from lumde.registry import Named
from lumde.structures import Frame, FrameKey
from lumde.worlds import VERSION
from lumde.worlds.clips import FAMILIES, Order, Studio
from lumde.worlds.motion import MAX_FRAMES
from lumde.worlds.scene import SKY, Clip


class TestSet(NamedTuple):
    """Worlds that never change: family, how many, and the frames of each that are rendered."""

    family: str
    worlds: int = 32
    frames: tuple[int, ...] = tuple(range(0, 40, 4))
    look: bool = False


TEST_SETS = {
    "streets-v1": TestSet("streets"),
    "rooms-v1": TestSet("rooms"),
    "shifted-v1": TestSet("shapes"),  # nothing stands there as it does in streets and rooms
    "shifted-v2": TestSet("odd_streets", look=True),  # things, surfaces, cameras, weather of no other
}
_APART = 7  # frames by which the clips of neighbouring worlds begin apart, if spread
_STREAM = 1 << 32  # seeds per stream; the space below the first stream belongs to the test sets


def training_seed(seed: int, index: int) -> int:
    """Seed of world `index` of the endless stream `seed`; never a test seed."""
    return (seed + 1) * _STREAM + index


def frozen_seed(test_set: str, index: int) -> int:
    """Seed of world `index` of a frozen test set; never a training seed."""
    return list(TEST_SETS).index(test_set) * 1000 + index


class Synthetic(FrameDataset):
    """Procedural streets, rooms, shapes: an endless stream to learn from, frozen sets for testing."""

    provides = ("sources", "depth", "pose", "mask", "object_ids")
    decodes = False

    @dataclass(kw_only=True)
    class Config(Named):
        """Which worlds, and how they are filmed."""

        name: str = "synthetic"
        families: tuple[str, ...] = ("streets",)  # of worlds.clips.FAMILIES, in turn
        worlds: int = 0  # held in memory at a time, of a test set its first; 0 = 24, of a test set all
        frames: int = 40  # per world; a test set has its own
        every: int = 1  # only every n-th frame is rendered, e.g. for learning from single frames
        first_world: int = 0  # where in the stream to begin
        spread: bool = False  # clips begin at different places of their drives: short ones see whole streets
        height: int = 64  # pixels
        width: int = 192
        seed: int = 0  # names the stream
        test_set: str = ""  # a key of TEST_SETS instead of the stream
        look: bool = False  # shine, haze and the exposure of a camera; the test sets say for themselves
        sky_depth: float = 0.0  # metres told where the sky is seen; 0 = no depth there
        fresh: int = 0  # worlds replaced per epoch by the next ones of the stream
        processes: int = 0  # that render, the next epoch's worlds during this one; 0 = this one, when asked

        def __post_init__(self) -> None:
            """Say how many worlds there are where nobody did."""
            known = TEST_SETS.get(self.test_set)
            self.worlds = self.worlds or (known.worlds if known else 24)

    def __init__(self, config: Config) -> None:
        """Render the worlds of epoch 0.

        Raises:
            ConfigError: for counts or sizes that make no clip, or an unknown test set.
        """
        _check(config)
        self.config = config
        self._studio = Studio(config.height, config.width, config.processes)
        self._clips: dict[str, Clip] = {}
        self._frames: dict[str, tuple[int, ...]] = {}  # that were rendered of each world, by their positions
        self.expected, self.changes, self.edition = None, config.fresh > 0, VERSION
        if config.test_set:
            test_set = TEST_SETS[config.test_set]
            self.expected = test_set.worlds * len(test_set.frames)
        self.begin_epoch(0)

    def begin_epoch(self, epoch: int) -> None:
        """Hold the worlds of this epoch: a window that moves `fresh` worlds along the stream per epoch."""
        if self._clips and not self.changes:
            return  # the same worlds; whoever picked some of the targets keeps them
        first = self.config.first_world + epoch * self.config.fresh
        window = range(first, first + self.config.worlds)
        orders = {self._sequence(index): self._order(index) for index in window}
        self._frames = {name: order.frames for name, order in orders.items()}
        self._clips = {name: clip for name, clip in self._clips.items() if name in orders}
        missing = [name for name in orders if name not in self._clips]
        rendered = self._studio.render([orders[name] for name in missing])
        if not self._clips:  # later epochs are waited for within a job that tells how far it is
            rendered = shown(rendered, "render", len(missing), "world")
        self._clips.update(zip(missing, rendered, strict=True))
        coming = range(window.stop, window.stop + self.config.fresh)
        self._studio.prepare([self._order(index) for index in coming])
        if not self.changes:
            self._studio.close()  # all that will ever be asked for is here
        self.targets = [
            FrameKey(name, frame, f"{frame:03d}") for name, frames in self._frames.items() for frame in frames
        ]

    def neighbour(self, key: FrameKey, offset: int) -> FrameKey | None:
        """The frame `offset` positions away where it was rendered."""
        position = key.position + offset
        if position not in self._frames[key.sequence]:
            return None
        return FrameKey(key.sequence, position, f"{position:03d}")

    def read(self, key: FrameKey) -> Frame:
        """One frame of a world that this epoch holds."""
        clip, i = self._clips[key.sequence], self._frames[key.sequence].index(key.position)
        return Frame(
            image=clip.images[i],
            intrinsics=clip.intrinsics.copy(),
            depth=np.where(clip.ids[i] == SKY, np.float32(self.config.sky_depth), clip.depth[i]),
            mask=np.ones(clip.depth[i].shape, np.bool_),
            world_from_camera=clip.poses[i],
            object_ids=clip.ids[i],
            movers=clip.movers[i],
        )

    def _sequence(self, index: int) -> str:
        """Name of a world in keys."""
        stream = self.config.test_set or f"{self._family(index)}-{self.config.seed}"
        return f"{stream}-{index:05d}"

    def _family(self, index: int) -> str:
        return self.config.families[index % len(self.config.families)]

    def _order(self, index: int) -> Order:
        """What to render of world `index`."""
        if self.config.test_set:
            test_set = TEST_SETS[self.config.test_set]
            seed = frozen_seed(self.config.test_set, index)
            return Order(test_set.family, seed, test_set.frames, test_set.look)
        length = (self.config.frames - 1) * self.config.every + 1
        start = _APART * index % (MAX_FRAMES - length + 1) if self.config.spread else 0
        frames = tuple(range(start, start + length, self.config.every))
        seed = training_seed(self.config.seed, index)
        return Order(self._family(index), seed, frames, self.config.look)


def _check(config: Synthetic.Config) -> None:
    """Reject a config that makes no clip, before anything is rendered."""
    if config.test_set and config.test_set not in TEST_SETS:
        raise ConfigError(f"test_set: unknown {config.test_set!r}; known: {', '.join(TEST_SETS)}")
    if config.test_set and (config.fresh or config.first_world or config.spread or config.look):
        raise ConfigError(
            f"test_set: {config.test_set} is frozen; leave fresh, first_world, spread, look off"
        )
    unknown = [name for name in config.families if name not in FAMILIES]
    if unknown or not config.families:
        raise ConfigError(f"families: {unknown or 'none'}; known: {', '.join(FAMILIES)}")
    most = TEST_SETS[config.test_set].worlds if config.test_set else _STREAM
    bounds = {
        "worlds": (1, most),
        "frames": (1, MAX_FRAMES),
        "every": (1, max(1, (MAX_FRAMES - 1) // max(1, config.frames - 1))),
        "sky_depth": (0, 1e6),
        "height": (8, 4096),
        "width": (8, 4096),
        "seed": (0, _STREAM),
        "first_world": (0, _STREAM),
        "fresh": (0, config.worlds),
        "processes": (0, 256),
    }
    for name, (low, high) in bounds.items():
        if not low <= getattr(config, name) <= high:
            raise ConfigError(f"{name}: {getattr(config, name)} is outside {low}..{high} (synthetic worlds)")
