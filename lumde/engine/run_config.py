"""The root of every training config."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lumde.config import load
from lumde.data import DATASETS
from lumde.data.augment import AugmentConfig
from lumde.data.loader import LoaderConfig
from lumde.data.snippets import SnippetConfig
from lumde.engine.loop_config import LoopConfig
from lumde.engine.optimize import OptimizerConfig
from lumde.engine.validate import ValidationConfig
from lumde.methods import METHODS
from lumde.nets import DEPTH_NETS
from lumde.nets.base import DepthNet
from lumde.registry import Named, choice
from lumde.teachers import TEACHERS


@dataclass(kw_only=True)
class TrainConfig:
    """Everything that decides a training run."""

    method: Named = choice(METHODS)
    student: DepthNet.Config = choice(DEPTH_NETS)
    teacher: Named | None = choice(TEACHERS, default=None)
    data: Named = choice(DATASETS)
    streams: dict[str, Any] = field(default_factory=dict)  # further data streams of a method, by name
    snippets: SnippetConfig
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loader: LoaderConfig = field(default_factory=LoaderConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    phases: dict[str, OptimizerConfig] = field(default_factory=dict)  # other optimisers for single phases
    loop: LoopConfig
    validation: ValidationConfig | None = None
    confidence: bool = False  # store, per frame, where method.arbiter believes the teacher in the end


def load_config(path: Path, overrides: list[str]) -> TrainConfig:
    """Read a training config with its overrides; ConfigError lists what is wrong."""
    return load(path, TrainConfig, overrides)
