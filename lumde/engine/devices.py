"""Which device and number format to train in, and the record of where a run was made."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from lumde.errors import UsageError

RECORDED_PACKAGES = ("torch", "torchvision", "kornia", "numpy", "pillow", "av", "embreex", "safetensors")


def pick_device(name: str) -> torch.device:
    """Answer the device named, or the best there is for "auto"; UsageError where it is not available."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"loop.device: '{name}' cannot be used here ({error}); try auto or cpu") from error
    return torch.device(name)


def network_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Number format of the networks: bf16 for "auto" where the hardware computes in it, else fp32."""
    if precision == "fp32":
        return torch.float32
    if precision == "bf16" or bf16_is_fast(device):
        return torch.bfloat16
    return torch.float32


def bf16_is_fast(device: torch.device) -> bool:
    """Tell whether bf16 products are native: Ampere or newer, or a CPU with AVX512-BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    flags = Path("/proc/cpuinfo")
    return flags.exists() and "avx512_bf16" in flags.read_text(errors="replace")


def environment(seed: int, device: torch.device) -> dict[str, Any]:
    """Versions, hardware and code state that a result depends on; no user or host names."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "packages": {name: _version(name) for name in RECORDED_PACKAGES},
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "git": _git_commit(),
        "seed": seed,
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git_commit() -> str | None:
    """Commit of the code that runs, None outside a checkout."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
