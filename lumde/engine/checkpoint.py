"""Checkpoints that survive crashes and tell when they are damaged.

`RUN/checkpoints/step-N/` is a model folder (usable as MODEL) with the rest of the training state beside
it; it appears by one rename, carries a SHA-256 manifest, and is verified before it is trusted.
"""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lumde.errors import CheckpointError, ResourceError
from lumde.files import atomic_folder, read_json, require_space, verify_manifest, write_json, write_manifest
from lumde.models import DepthModel, write_model

KEEP = 2  # newest checkpoints that stay, unless the run asks for more


@dataclass
class TrainState:
    """Everything a resumed run needs besides its config: randomness and rates are functions of the step."""

    step: int  # steps done
    tensors: dict[str, Tensor]  # "method.*", "ema.*", "optimizer.PHASE.*"
    facts: dict[str, Any]  # plain JSON: total steps, guard counts, optimiser scalars, seconds


def save(folder: Path, model: DepthModel, state: TrainState, keep: int = KEEP) -> Path:
    """Write `folder`/step-N and leave the newest `keep`.

    Raises:
        CheckpointError: a tensor holds non-finite numbers: the last good checkpoint stays the newest.
        ResourceError: disk full or not writable; earlier checkpoints are untouched.
    """
    for name, tensor in state.tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(f"{name}: non-finite numbers, step {state.step} was not saved")
    folder.mkdir(parents=True, exist_ok=True)
    size = sum(t.numel() * t.element_size() for t in state.tensors.values())
    require_space(folder, int(2.5 * size) + (1 << 20))
    target = folder / f"step-{state.step}"
    if target.exists():
        shutil.rmtree(target)  # written before a rewind or by an interrupted run: the same step again
    with atomic_folder(target) as temporary:
        write_model(model, temporary)
        tensors = {k: t.detach().contiguous().cpu() for k, t in state.tensors.items()}
        try:
            save_file(tensors, temporary / "state.safetensors")
        except SafetensorError as error:  # a full disk; not an OSError
            raise ResourceError(f"{target}: cannot be written ({error}); free some space") from error
        (temporary / "state.safetensors").chmod(0o666 & ~_umask())
        write_json(temporary / "state.json", {"step": state.step, **state.facts})
        write_manifest(temporary, {"step": state.step})
    _prune(folder, state.step, keep)
    return target


def newest(folder: Path, before: int | None = None) -> tuple[TrainState, list[str]] | None:
    """Load the newest checkpoint that verifies; also answer what was wrong with newer ones.

    Args:
        folder: of a run's checkpoints.
        before: take those of later steps only where no earlier one verifies.

    Returns:
        None when there is no checkpoint at all.

    Raises:
        CheckpointError: there are checkpoints, and every one is damaged.
    """
    problems: list[str] = []
    for path in sorted(stored(folder), key=lambda path: before is not None and _number(path) > before):
        try:
            return load(path), problems
        except CheckpointError as error:
            problems.append(str(error))
    if problems:
        raise CheckpointError("no checkpoint can be used:\n" + "\n".join(problems))
    return None


def stored(folder: Path) -> list[Path]:
    """All checkpoints of a run, the newest first; each is a model folder too."""
    return sorted(_steps(folder), key=_number, reverse=True)


def load(path: Path) -> TrainState:
    """Read and verify one checkpoint folder."""
    verify_manifest(path)
    facts = read_json(path / "state.json")
    try:
        tensors = load_file(path / "state.safetensors")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path / 'state.safetensors'}: cannot be read ({error})") from error
    return TrainState(int(facts.pop("step")), tensors, facts)


def flatten_optimizer(name: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments of an optimiser as named tensors (group rates are functions of the step)."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{name}.{index}.{key}": torch.as_tensor(value)
        for index, values in state.items()
        for key, value in values.items()
    }


def restore_optimizer(name: str, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put moments back that `flatten_optimizer` wrote."""
    prefix = f"optimizer.{name}."
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(prefix):
            index, field = key.removeprefix(prefix).split(".", 1)
            state.setdefault(int(index), {})[field] = tensor
    full = optimizer.state_dict()
    full["state"] = state
    try:
        optimizer.load_state_dict(full)
    except (ValueError, KeyError) as error:
        raise CheckpointError(
            f"optimizer of phase {name}: state does not fit this config ({error})"
        ) from error


def _prune(folder: Path, step: int, keep: int) -> None:
    """Keep the newest up to `step`; what is above it is damaged, or of a future that was given up."""
    steps = sorted(_steps(folder), key=_number)
    past = [path for path in steps if _number(path) <= step]
    for other in set(steps) - set(past[-keep:]):
        shutil.rmtree(other, ignore_errors=True)


def _steps(folder: Path) -> list[Path]:
    return [p for p in folder.glob("step-*") if re.fullmatch(r"step-[0-9]+", p.name) and p.is_dir()]


def _number(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def own_state(method: nn.Module) -> dict[str, Tensor]:
    """The method's state without a frozen teacher's weights, which live in the teacher's own folder."""
    return {k: v for k, v in method.state_dict().items() if not k.startswith("teacher.")}


def load_own_state(method: nn.Module, own: dict[str, Tensor]) -> None:
    """Put back what `own_state` gave; CheckpointError if it is that of another method."""
    missing, unexpected = method.load_state_dict(own, strict=False)
    wrong = [k for k in missing if not k.startswith("teacher.")] + list(unexpected)
    if wrong:
        raise CheckpointError(f"checkpoint does not fit this config: {', '.join(wrong[:5])}")
