"""Weight files that others wrote: read in a child process with limits, so that nothing in them runs."""

import hashlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lumde.errors import CheckpointError, ConfigError

TORCH_FLOOR = (
    2,
    10,
)  # older unpicklers corrupt memory even with weights_only (CVE-2025-32434, CVE-2026-24747)
CHILD = Path(__file__).with_name("weights_child.py")
CHILD_SECONDS = 300


@dataclass(frozen=True)
class ForeignFile:
    """What one foreign file holds."""

    tensors: dict[str, Tensor]
    facts: dict[str, int | float | str | bool]  # the plain values beside the tensors


def read_foreign(paths: list[Path]) -> list[ForeignFile]:
    """Read PyTorch state files without executing anything they hold.

    Raises:
        CheckpointError: a file is missing, damaged, too large, or holds more than tensors and plain values.
    """
    check_torch_version(torch.__version__)
    for path in paths:
        if not path.is_file():
            raise CheckpointError(f"{path}: no such weight file")
    with tempfile.TemporaryDirectory(prefix="lumde-weights-") as folder:
        _run_child(paths, Path(folder))
        facts = json.loads((Path(folder) / "facts.json").read_text(encoding="utf-8"))
        return [
            ForeignFile(load_file(Path(folder) / f"{number}.safetensors"), facts[number])
            for number in range(len(paths))
        ]


def check_torch_version(version: str) -> None:
    """Refuse to unpickle with a torch whose unpickler is known to be unsafe.

    Raises:
        CheckpointError: `version` is below the floor.
    """
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:2])
    if numbers < TORCH_FLOOR:
        raise CheckpointError(
            f"torch {version}: foreign weight files are read with torch >= {'.'.join(map(str, TORCH_FLOOR))} "
            "only, older versions can be attacked through them; upgrade torch"
        )


def load_encoder(encoder: nn.Module, weights: str, architecture: str, channels_in: int = 3) -> None:
    """Give a torchvision encoder its start.

    Args:
        encoder: the torchvision network without its classifier.
        weights: "none" (keep the random start), "imagenet" (torchvision's file, which must already lie in the
            cache of torch), or the path of a file with torchvision's names (.pth, .pt, .safetensors).
        architecture: torchvision's name of the network.
        channels_in: of the first convolution; more than 3 share the weights of the 3 in equal parts.

    Raises:
        ConfigError: the file is not there; the message says where to put it.
        CheckpointError: the file is damaged or belongs to another network.
    """
    if weights == "none":
        return
    path = imagenet_file(architecture) if weights == "imagenet" else Path(weights)
    if not path.is_file():
        raise ConfigError(
            f"weights: {path}: no such file; name a weight file, or set 'none' for a random start"
        )
    tensors = _read_torchvision(path)
    first = next(name for name in encoder.state_dict() if name.endswith("weight"))
    if first in tensors and tensors[first].dim() == 4 and channels_in > tensors[first].shape[1] == 3:
        tensors[first] = tensors[first].repeat(1, channels_in // 3, 1, 1) / (channels_in // 3)
    # BatchNorm's counters, which decide nothing here, are not in torchvision's older files.
    wanted = {
        name: value.shape
        for name, value in encoder.state_dict().items()
        if name in tensors or not name.endswith("num_batches_tracked")
    }
    check_shapes(wanted, {name: tensors[name].shape for name in tensors if name in wanted}, str(path))
    encoder.load_state_dict(encoder.state_dict() | {name: tensors[name] for name in wanted})


def imagenet_file(architecture: str) -> Path:
    """Find torchvision's ImageNet file for `architecture` in torch's cache; nothing is downloaded.

    Raises:
        ConfigError: it is not there.
        CheckpointError: its hash differs from the one in its name.
    """
    url = torchvision.models.get_model_weights(architecture)["IMAGENET1K_V1"].url
    path: Path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.is_file():
        raise ConfigError(
            f"weights: imagenet: {path} is not there; fetch {url} where there is a network and put it at "
            "that place, or name a file, or set 'none' for a random start"
        )
    if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem.rpartition("-")[2]):
        raise CheckpointError(f"{path}: its hash differs from the one in its name; fetch it again")
    return path


def check_shapes(
    wanted: dict[str, torch.Size], found: dict[str, torch.Size], where: str, advice: str = ""
) -> None:
    """Raise CheckpointError unless names and shapes agree, naming the first differences."""
    problems = [f"'{name}' is missing" for name in wanted if name not in found]
    problems += [f"'{name}' is not expected" for name in found if name not in wanted]
    problems += [
        f"'{name}' is {tuple(found[name])}, {tuple(shape)} needed"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise CheckpointError(f"{where}: does not fit the network: {'; '.join(problems[:3])}{more}{advice}")


def _read_torchvision(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        return dict(read_foreign([path])[0].tensors)
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from error


def _run_child(paths: list[Path], folder: Path) -> None:
    command = [sys.executable, "-I", str(CHILD), str(folder), *(str(path.resolve()) for path in paths)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and file, no shell
            command, capture_output=True, text=True, timeout=CHILD_SECONDS, check=False, cwd=folder
        )
    except subprocess.TimeoutExpired as error:
        raise CheckpointError(
            f"{paths[0]}: reading took over {CHILD_SECONDS} s; the file is not trusted"
        ) from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise CheckpointError(
            said[-1] if said else f"{paths[0]}: reading was stopped (code {done.returncode})"
        )
