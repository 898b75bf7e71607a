"""The child of weights.py, run as a script: reads state files under limits, writes them as safetensors."""

import json
import os
import pickle
import resource
import sys
from pathlib import Path
from typing import Any

MAX_MEMORY = 4 << 30  # bytes on top of what torch itself maps
MAX_FILE = 2 << 30  # bytes of one weight file, read or written
MAX_CPU_S = 240


def limit() -> None:
    """Bound memory, time and file size of this process; no core dump."""
    pages = (
        int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 1 << 23
    )
    memory = pages * os.sysconf("SC_PAGE_SIZE") + MAX_MEMORY
    for kind, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, MAX_CPU_S),
        (resource.RLIMIT_FSIZE, MAX_FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (allowed, allowed))


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a state file into tensors and plain values; SystemExit names whatever else is found."""
    import torch

    if path.stat().st_size > MAX_FILE:
        sys.exit(f"{path}: larger than {MAX_FILE >> 30} GiB; not a weight file")
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        sys.exit(f"{path}: refused: damaged, or more than tensors and plain values inside ({reason})")
    except MemoryError:
        sys.exit(f"{path}: needs more than {MAX_MEMORY >> 30} GiB of memory; not a weight file")
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        sys.exit(f"{path}: a dictionary of named tensors is needed, found {type(values).__name__}")
    tensors = {name: v.contiguous().clone() for name, v in values.items() if isinstance(v, torch.Tensor)}
    facts = {name: v for name, v in values.items() if isinstance(v, int | float | str)}
    if len(tensors) + len(facts) != len(values):
        other = next(name for name in values if name not in tensors and name not in facts)
        sys.exit(
            f"{path}: '{other}' is a {type(values[other]).__name__}; tensors and plain values are expected"
        )
    return tensors, facts


def main(folder: Path, paths: list[Path]) -> None:
    """Write `N.safetensors` for each path and `facts.json` for all."""
    import torch  # noqa: F401 - mapped before the limits, which count what it maps
    from safetensors.torch import save_file

    limit()
    all_facts = []
    for number, path in enumerate(paths):
        tensors, facts = read(path)
        save_file(tensors, folder / f"{number}.safetensors")
        all_facts.append(facts)
    (folder / "facts.json").write_text(json.dumps(all_facts), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
