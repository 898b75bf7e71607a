"""Better labels than one pass gives: a network asked at several sizes, and about mirrored pictures."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lumde.teachers.base import NetworkTeacherConfig, Teacher

# Mean |difference of log depth| to the pass of its own size from which a user is warned; ours. Networks that
# learned from one size lay at .16 to .19 at 1.5 times that, where they erred half as much again; one that
# learned from several at .07 to .13.
FAR = 0.15


@dataclass(kw_only=True)
class PassesConfig(NetworkTeacherConfig):
    """How often a network is asked, and what is made of answers that differ."""

    # Better labels than one pass: log depth averaged over inputs of these sizes (times the network's
    # own) and over mirrored ones. Each costs a pass, in proportion to its area. Mirrored passes gained 1 %;
    # sizes are for networks that learned from several: ours erred 41 to 54 % more at 1.5 times its own.
    sizes: tuple[float, ...] = (1.0,)
    flip: bool = False
    # Deviation of log depth between the passes above which a pixel teaches nothing; 0 = all pixels do.
    # 0.1 = passes a tenth apart. Not for data_free, whose pictures change.
    most_spread: float = 0.0
    # Deviation of log depth between the passes at which a pixel weighs half as much as where they agree;
    # 0 = all weigh alike. For plain imitation: response with loss log_l1.
    spread: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether it is one pass at the network's own size."""
        return self.sizes == (1.0,) and not self.flip

    def __post_init__(self) -> None:
        """Refuse sizes that show nothing."""
        super().__post_init__()
        if not self.sizes or not all(0.25 <= size <= 4 for size in self.sizes):
            raise ValueError(f"sizes: one or more within 0.25..4, found {self.sizes}")
        passes = len(self.sizes) * (1 + self.flip)
        spreads = (self.most_spread, self.spread)
        if min(spreads) < 0 or (any(spreads) and passes < 2):
            raise ValueError(
                "most_spread, spread: at least 0, and two passes or more (sizes, flip) that can differ"
            )


class PassesTeacher(Teacher):
    """Averages what a network answers to several inputs made of one picture; subclasses ask the network."""

    config: Any
    _last: tuple[Tensor, Tensor] | None = None  # pictures and what the passes answered

    @abstractmethod
    def ask(self, images: Float[Tensor, "b 3 h w"], size: float) -> Float[Tensor, "b 1 h w"]:
        """Depth at the images' size, fp32, of a network that sees them at `size` times its own."""

    def begin(self, images: Float[Tensor, "b 3 h w"]) -> list[str]:
        """Tell how far passes of other sizes lie from that of its own: the farther, the less they teach."""
        return [*super().begin(images), *(self._far(images, size) for size in self.config.sizes if size != 1)]

    @torch.no_grad()
    def _far(self, images: Float[Tensor, "b 3 h w"], size: float) -> str:
        away = self.ask(images, size).log() - self.ask(images, 1.0).log()
        away = (
            away - away.flatten(1).median(1).values[:, None, None, None]
        )  # a factor per picture is no matter
        off = float(away.abs().mean())
        said = (
            f"teacher: at {size:g} times its size it answers {off:.3f} off (mean |log depth|, one factor out)"
        )
        return (
            said
            if off < FAR
            else f"{said}: it seems to know one size alone; leave {size:g} out of teacher.sizes"
        )

    @property
    def weighs(self) -> bool:  # type: ignore[override]
        """Whether pixels on which passes agree weigh more."""
        return bool(self.config.spread > 0)

    def depth(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """Depth at the images' size; the network sees them at its own, once per pass of the config."""
        passes = self._passes(images)
        return passes[0] if len(passes) == 1 else passes.log().mean(0).exp()

    def labels(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """The same, 0 where the passes differ by more than the config allows."""
        if not self.config.most_spread:
            return self.depth(images)
        logs = self._passes(images).log()
        sure = logs.std(0, correction=0) <= self.config.most_spread
        return torch.where(sure, logs.mean(0).exp(), 0.0)

    def certainty(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """1 where the passes agree, 1/2 where they are the config's spread apart."""
        spread = self._passes(images).log().std(0, correction=0)
        return 1 / (1 + (spread / self.config.spread).square())

    @property
    def one_pass(self) -> bool:
        """False where its config asks for several passes."""
        return super().one_pass and bool(self.config.plain)

    def pass_facts(self) -> str:
        """Sizes and mirroring of its passes."""
        return f"{self.config.sizes} {self.config.flip} {self.config.most_spread} "

    def weight_facts(self) -> str:
        """The spread at which a pixel weighs half."""
        return f"weights {self.config.spread}"

    def _passes(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "p b 1 h w"]:
        """Depth of every pass; what is asked of the same tensor twice is answered by the same ones."""
        if not self.weighs:
            return self._asked(images)
        if self._last is None or self._last[0] is not images:
            self._last = images, self._asked(images)
        return self._last[1]

    def _asked(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "p b 1 h w"]:
        passes = [self.ask(images, size) for size in self.config.sizes]
        if self.config.flip:
            passes += [self.ask(images.flip(-1), size).flip(-1) for size in self.config.sizes]
        return torch.stack(passes)
