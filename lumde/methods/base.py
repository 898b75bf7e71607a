"""The contract between a training method and the loop."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from lumde.nets.base import DepthNet
from lumde.structures import FrameBatch

Streams = Mapping[str, FrameBatch]


class Method(nn.Module, ABC):
    """One row of the methods table. Subclasses fill the class attributes and two functions."""

    streams: ClassVar[tuple[str, ...]] = ("main",)  # data streams it reads, each named in the config
    phases: ClassVar[tuple[str, ...]] = ("student",)  # optimised in turn within one step
    needs: ClassVar[tuple[str, ...]] = ()  # fields the main stream must provide
    teacher_gives: ClassVar[tuple[str, ...]] = ()  # what it asks of a teacher: "depth", "features"
    source: ClassVar[str]  # the paper
    student: DepthNet  # what is evaluated, exported, shipped

    @abstractmethod
    def trainable(self, phase: str) -> Iterable[nn.Parameter]:
        """Parameters that `phase` updates. Phases own disjoint sets."""

    @abstractmethod
    def terms(self, batch: Streams, phase: str, step: int) -> dict[str, Float[Tensor, ""]]:
        """Weighted scalar terms of `phase`; the loop minimises their sum and logs each."""

    def pictures(self, batch: Streams) -> dict[str, Float[Tensor, "3 h w"]]:
        """What the log shows of the first sample."""
        return {}
