"""Named tensors in safetensors files: names, shapes and sizes are checked before anything is allocated."""

import json
import math
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from lumde.errors import CheckpointError
from lumde.files import write_bytes
from lumde.nets.weights import check_shapes

MAX_HEADER_BYTES = 10 << 20
MAX_NUMBERS = 2 << 30  # in one file, all tensors together


def write_tensors(path: Path, state: dict[str, Tensor], half: bool = False) -> None:
    """Write a state atomically; `half` stores fp32 as fp16.

    Raises:
        CheckpointError: a tensor holds non-finite numbers; nothing was written.
        ResourceError: the disk is full or not writable.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    if half:
        state = {name: t.half() if t.dtype == torch.float32 else t for name, t in state.items()}
    _require_finite(state, f"{path}: was not written")
    write_bytes(path, to_bytes(state))


def read_tensors(path: Path, net: nn.Module, advice: str = "") -> dict[str, Tensor]:
    """Read a state that must fit `net`, which may lie on the meta device.

    Args:
        path: a safetensors file.
        net: gives the names, shapes and types that are needed.
        advice: what to do when the shapes differ, for the message.

    Raises:
        CheckpointError: damaged, of another network, or with non-finite numbers.
    """
    wanted = net.state_dict()
    check_shapes({name: t.shape for name, t in wanted.items()}, read_shapes(path), str(path), advice)
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a sound safetensors file ({error})") from error
    for name, tensor in state.items():
        if (tensor.dtype, wanted[name].dtype) == (torch.float16, torch.float32):
            tensor = state[name] = tensor.float()  # shipped weights are stored at half size
        if tensor.dtype != wanted[name].dtype:
            raise CheckpointError(f"{path}: '{name}' is {tensor.dtype}, {wanted[name].dtype} needed")
    _require_finite(state, str(path))
    return state


def read_shapes(path: Path) -> dict[str, torch.Size]:
    """Read names and shapes from a safetensors header of bounded size.

    Raises:
        CheckpointError: no such header.
    """
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= MAX_HEADER_BYTES:
                raise CheckpointError(f"{path}: header of {length} bytes; not a safetensors file of ours")
            header = json.loads(stream.read(length))
        shapes = {
            name: torch.Size(entry["shape"]) for name, entry in header.items() if name != "__metadata__"
        }
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except (
        ValueError,
        AttributeError,
        KeyError,
        TypeError,
        RecursionError,
        RuntimeError,
        OverflowError,
    ) as error:
        raise CheckpointError(f"{path}: not a sound safetensors header ({error})") from error
    if sum(math.prod(shape) for shape in shapes.values()) > MAX_NUMBERS:
        raise CheckpointError(f"{path}: announces over {MAX_NUMBERS >> 30} Gi numbers; refused")
    return shapes


def _require_finite(state: dict[str, Tensor], where: str) -> None:
    for name, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(f"{where}: '{name}' holds non-finite numbers; use an earlier checkpoint")
