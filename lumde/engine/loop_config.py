"""What a training run is told beside its parts: budget, cadences and number format."""

from dataclasses import dataclass
from typing import Literal

from lumde.engine.checkpoint import KEEP
from lumde.engine.plateau import PlateauConfig


@dataclass(kw_only=True)
class LoopConfig:
    """Budget, cadences and number format."""

    steps: int = 0  # 0 = follow from `minutes`
    minutes: float = 0.0  # training time; turned into steps once the first steps were timed
    seed: int = 0
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    channels_last: bool = True
    keep_checkpoints: int = KEEP  # the newest ones
    freeze_norm: bool = False  # BatchNorm keeps the statistics it came with, e.g. while adapting to one clip
    ema: float = 0.0  # decay of averaged weights, 0 = off; averaged weights are what is shipped
    log_every_steps: int = 20
    picture_every_steps: int = 500
    checkpoint_every_steps: int = 500
    validate_every_steps: int = 0  # 0 = only at the end
    plateau: PlateauConfig | None = None  # train until validation gains nothing; `steps` is then the most

    def __post_init__(self) -> None:
        if (self.steps > 0) == (self.minutes > 0):
            raise ValueError("give either steps or minutes, as a positive number")
        if not 0 <= self.seed < 1 << 63:
            raise ValueError(f"seed must be in [0, 2^63), found {self.seed}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be in [0, 1), found {self.ema}")
        if min(self.log_every_steps, self.picture_every_steps, self.checkpoint_every_steps) < 1:
            raise ValueError("log_, picture_ and checkpoint_every_steps must be at least 1")
        if self.plateau and not self.steps:
            raise ValueError("plateau needs steps: the most that may be trained")
        if self.plateau and self.plateau.decay_steps >= self.steps:
            raise ValueError(
                f"plateau.decay_steps: {self.plateau.decay_steps}, steps allows {self.steps} in all"
            )
        if self.keep_checkpoints < 1:
            raise ValueError(f"keep_checkpoints: at least 1, found {self.keep_checkpoints}")
