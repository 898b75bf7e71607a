"""What every dataset promises: targets, neighbours, frames. Cropping and augmentation live elsewhere."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from lumde.registry import Named
from lumde.structures import Frame, FrameKey

T = TypeVar("T")


class FrameDataset(ABC):
    """Frames in sequences. Subclasses nest `Config(Named)` and fill `targets`."""

    Config: ClassVar[type[Named]]
    config: Any  # of the class `Config`
    provides: tuple[str, ...] = ()  # of "sources", "depth", "pose", "mask", "right", "object_ids"
    targets: Sequence[FrameKey]  # the frames asked for, in order
    expected: int | None = None  # the protocol's count of targets, when a published list was asked for
    decodes: bool = True  # False = frames lie in memory, or change from epoch to epoch
    changes: bool = False  # True = other frames in every epoch
    edition: str = ""  # what else decides its pictures: the generator's version
    protocol: str = "generic"  # default evaluation protocol (evaluators)

    def begin_epoch(self, epoch: int) -> None:  # noqa: B027 - most datasets do not change
        """Prepare what depends on the epoch (endless worlds); stateless: a function of (config, epoch)."""

    @abstractmethod
    def neighbour(self, key: FrameKey, offset: int) -> FrameKey | None:
        """The frame `offset` positions away, None beyond a sequence's end or where a frame is missing."""

    def has_partner(self, key: FrameKey) -> bool:
        """Whether a stereo partner of the frame is there."""
        return "right" in self.provides

    @abstractmethod
    def read(self, key: FrameKey) -> Frame:
        """Decode one frame; DataError names the file that cannot be used."""

    def read_fields(self, key: FrameKey, fields: tuple[str, ...]) -> Frame:
        """Decode only what `fields` name, where that saves work."""
        return self.read(key)


def thinned(items: Sequence[T], most: int) -> Sequence[T]:
    """Every n-th of them from the first on, n as small as leaves at most `most`."""
    return items[:: max(1, -(-len(items) // most))]
