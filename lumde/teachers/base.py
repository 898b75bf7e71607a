"""What a teacher gives, and the wrapper that keeps it as it is."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lumde.errors import ConfigError
from lumde.registry import Named
from lumde.structures import FrameBatch, Unit
from lumde.teachers.cache import MapCache, fingerprint, plan_caches


@dataclass(kw_only=True)
class TeacherConfig(Named):
    """What every teacher can be told."""

    # Metres that the median of a relative teacher's first depths stands for, where a formula has constants in
    # metres. About 15 for streets, 2.5 for rooms; what answers metres stays as it is.
    typical_depth: float = 2.5

    def __post_init__(self) -> None:
        """Refuse what is no depth."""
        if not self.typical_depth > 0:
            raise ValueError(f"typical_depth: metres above 0, found {self.typical_depth}")


@dataclass(kw_only=True)
class NetworkTeacherConfig(TeacherConfig):
    """What every teacher that is a network can be told."""

    # Folder in which its maps are kept, so that no picture is asked about twice. For methods that need maps
    # alone, on whole pictures. "" = ask anew.
    cache: str = ""


class Frozen(nn.Module):
    """A network that never learns, whatever mode its parent is in. Gradients may still pass through it."""

    def __init__(self, net: nn.Module) -> None:
        """Switch training off for good."""
        super().__init__()
        self.net = net.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> "Frozen":
        """Stay in evaluation mode."""
        super().train(False)
        return self

    def forward(self, *args: Any) -> Any:
        """Ask the network."""
        return self.net(*args)


class Teacher(nn.Module, ABC):
    """Answers depth, and features where it has them, for the pictures a student sees."""

    # Of "maps" (depth of a data set's frames), "depth" (of any pictures), "features", and the "statistics" of
    # BatchNorm layers.
    gives: tuple[str, ...] = ("maps", "depth")
    unit: Unit = "relative"
    affine: bool = False  # its disparity is right only up to a factor and a shift
    # Of its output; the student's must equal it, or hold it with bins.
    depth_range: tuple[float, float] | None = None
    weighs: bool = False  # it is surer of some pixels than of others, and tells (`weights`)
    cached: MapCache | None = None
    cached_weights: MapCache | None = None
    pictures: int = 0  # that it was told of
    config: Any = None
    keep: Callable[[dict[str, Any]], None] | None = None  # stores `state` where a run that goes on finds it
    _metres: float | None = None  # of one unit of its depth; None = not asked yet

    def check(self, keys: Sequence[str]) -> None:
        """Refuse frames, named "sequence/name", that this teacher cannot answer for."""
        self.pictures += len(keys)

    def begin(self, images: Float[Tensor, "b 3 h w"]) -> list[str]:
        """Look at the first frames before anything is learned; what is answered is told to the user.

        Raises:
            ResourceError: the disk has no room for a cache of the pictures it was told of.
        """
        folder = getattr(self.config, "cache", "")
        if not folder:
            return []
        self.cached = MapCache(Path(folder), self, self.facts())
        caches = [self.cached]
        if self.weighs:
            self.cached_weights = MapCache(Path(folder), self, f"{self.facts()} {self.weight_facts()}")
            caches.append(self.cached_weights)
        return [plan_caches(caches, self.pictures, images.shape[-2:])]

    def state(self) -> dict[str, Any]:
        """Who it is, and what was found out at `begin` and must stay so when a run goes on; plain values."""
        return {"fingerprint": fingerprint(self, self.facts()), "metres_per_unit": self._metres}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` answered when the run began.

        Raises:
            ConfigError: that was another teacher.
        """
        now = fingerprint(self, self.facts())
        if state.get("fingerprint", now) != now:
            raise ConfigError(
                "resume: the teacher is not the one that this run began with (other weights, maps or reading "
                "of them at the same path); bring it back, or begin a new run"
            )
        if isinstance(metres := state.get("metres_per_unit"), float) and 0 < metres < math.inf:
            self._metres = metres

    def metres_per_unit(
        self, depth: Float[Tensor, "b 1 h w"], valid: Bool[Tensor, "b 1 h w"] | None = None
    ) -> float:
        """Metres of one unit of its depth, true or nominal.

        A teacher that knows no metres is given a factor by the first depths that this is asked with: their
        median is the config's `typical_depth`. It stays so, when a run goes on too.

        Args:
            depth: 0 or no number where nothing is known.
            valid: where else it is none of the teacher's, e.g. filled holes.
        """
        if self.unit == "metres":
            return 1.0
        if self._metres is None:
            there = depth.isfinite() & (depth > 0)
            known = depth[there if valid is None else there & valid]
            if not known.numel():
                return 1.0
            self._metres = (self.config or TeacherConfig(name="")).typical_depth / float(known.median())
            if self.keep is not None:  # the first frames may have had no depth: nobody else stores it then
                self.keep(self.state())
        return self._metres

    def facts(self) -> str:
        """All that decides its answers beside its weights."""
        return type(self).__name__

    def weight_facts(self) -> str:
        """All that decides how sure it says it is, beside `facts`."""
        return "weights"

    @property
    def one_pass(self) -> bool:
        """Whether its labels are what one pass of its network answers: then `depth_and_features` has them."""
        return self.cached is None

    @abstractmethod
    def depth(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """Depth at the images' size, fp32, in `unit`; images are RGB in [0, 1]."""

    def labels(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """Depth to learn from: 0 where the teacher is not sure enough to teach."""
        return self.depth(images)

    def look(self, frames: FrameBatch) -> Float[Tensor, "b 1 h w"]:
        """Depth of a batch's clean frames; 0 where nothing is known."""
        return self.labels(frames.image) if self.cached is None else self.cached.look(frames, self.labels)

    def certainty(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """How sure its labels are, above 0 to 1; asked only of teachers that weigh."""
        return torch.ones_like(images[:, :1])

    def weights(self, frames: FrameBatch) -> Float[Tensor, "b 1 h w"] | None:
        """`certainty` of what `look` answers; None = all pixels alike."""
        if not self.weighs:
            return None
        ask, cache = self.certainty, self.cached_weights
        return ask(frames.image) if cache is None else cache.look(frames, ask)

    def depth_and_features(
        self, images: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b 1 h w"], tuple[Float[Tensor, "b _ _ _"], ...]]:
        """Both answers; teachers that can, look at the images only once."""
        return self.depth(images), self.features(images)

    def features(self, images: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b _ _ _"], ...]:
        """Encoder maps, finest first; none unless `gives` says so."""
        return ()

    def norm_layers(self) -> tuple[nn.BatchNorm2d, ...]:
        """Layers that remember the statistics of what it learned from; none unless `gives` says so."""
        return ()
