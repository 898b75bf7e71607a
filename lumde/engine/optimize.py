"""Optimisers per phase, and the rate as a pure function of the step (so a resumed run needs no scheduler)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn


@dataclass(kw_only=True)
class OptimizerConfig:
    """One phase's optimiser and rate."""

    name: Literal["adamw", "adam"] = "adamw"
    rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    clip: float = 1.0  # largest gradient norm, 0 = no clipping
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup_steps: int = 100
    drop_at: float = 0.75  # share of the run after which "step" multiplies the rate by `drop_factor`
    drop_factor: float = 0.1
    final_factor: float = 0.01  # where "cosine" ends

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ValueError(f"rate must be positive, found {self.rate}")
        if self.clip < 0 or self.weight_decay < 0 or self.warmup_steps < 0:
            raise ValueError("clip, weight_decay and warmup_steps must not be negative")


def make_optimizer(config: OptimizerConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Build the optimiser; weight decay spares biases and norm scales."""
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind([g for g in groups if g["params"]], lr=config.rate, betas=config.betas)


def rate_factor(config: OptimizerConfig, step: int, steps: int, begin: int = 0) -> float:
    """Factor on the rate at `step` of `steps`: linear warm-up, then the schedule, not before step `begin`."""
    warmup = min(config.warmup_steps, max(1, steps // 10))
    if step < warmup:
        return (step + 1) / warmup
    begin = max(begin, warmup)
    share = max(0, step - begin) / max(1, steps - begin)
    if config.schedule == "cosine":
        return config.final_factor + (1 - config.final_factor) * 0.5 * (
            1 + math.cos(math.pi * min(1.0, share))
        )
    if config.schedule == "step":
        return config.drop_factor if share >= config.drop_at else 1.0
    return 1.0


def set_rate(
    optimizer: torch.optim.Optimizer, config: OptimizerConfig, step: int, steps: int, begin: int = 0
) -> float:
    """Give every group the rate of `step` and answer it."""
    rate = config.rate * rate_factor(config, step, steps, begin)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate
