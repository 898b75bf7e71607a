"""Full precision for geometry and losses, whatever autocast context the caller is in."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


def full_precision(function: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Run `function` outside autocast, with half-precision tensors widened to fp32; fp64 stays fp64.

    Under autocast a matrix product answers bf16, whose steps move projections by several pixels.
    """

    @functools.wraps(function)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        wide_args = [_widened(value) for value in args]
        wide_kwargs = {name: _widened(value) for name, value in kwargs.items()}
        tensors = (value for value in (*wide_args, *wide_kwargs.values()) if isinstance(value, Tensor))
        with torch.autocast(device_type=next(tensors).device.type, enabled=False):
            return function(*wide_args, **wide_kwargs)  # type: ignore[arg-type]

    return guarded


def _widened(value: object) -> object:
    if isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16):
        return value.float()
    return value
