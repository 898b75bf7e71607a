"""A teacher's depth maps on disk, so that no picture is asked about twice: 16 bits per pixel, by content.

A map lies under the hash of the teacher (weights, preprocessing, options), the precision of its answer and
the hash of the picture as the teacher would see it, un-mirrored; a damaged file is asked anew, a stopped run
goes on with what is there.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from torch import Tensor, nn

from lumde.files import require_space, write_bytes
from lumde.structures import FrameBatch

STEPS = 65534  # between a map's least and greatest log depth; 0 stands for a hole
OVERHEAD = 200  # bytes of a file beside its pixels

Ask = Callable[[Float[Tensor, "b 3 h w"]], Float[Tensor, "b 1 h w"]]


class MapCache:
    """The answers of one teacher."""

    def __init__(self, root: Path, teacher: nn.Module, facts: str) -> None:
        """Answers of this teacher lie under `root`; `facts` tell what its weights do not (preprocessing)."""
        self.folder = root / fingerprint(teacher, facts)

    def look(self, frames: FrameBatch, ask: Ask) -> Float[Tensor, "b 1 h w"]:
        """Depth of a batch's clean frames: read, or asked for and kept.

        Maps are those of the pictures as they were filmed, mirrored where the frames are: a teacher that
        treats left and right unequally answers a mirrored picture a little differently than it would itself.
        """
        images = frames.mirrored(frames.image)
        folder = self.folder / _precision(images.device.type)
        paths = [_path(folder, picture) for picture in _bytes_of(images)]
        maps = [_read(path, (images.shape[-2], images.shape[-1])) for path in paths]
        unknown = [i for i, found in enumerate(maps) if found is None]
        if unknown:
            for i, answer in zip(unknown, ask(images[unknown]).float().cpu().numpy(), strict=True):
                _write(paths[i], answer[0])
                maps[i] = _read(paths[i], answer.shape[1:])
        depth = torch.from_numpy(np.stack([found for found in maps if found is not None]))[:, None]
        return frames.mirrored(depth.to(frames.image.device))


def plan_caches(caches: Sequence[MapCache], pictures: int, size: Sequence[int]) -> str:
    """What the maps of so many pictures will need; ResourceError if the disk has not that much."""
    there = [sum(1 for _ in cache.folder.glob("*/*/*.safetensors")) for cache in caches]
    each = size[0] * size[1] * 2 + OVERHEAD
    require_space(caches[0].folder, sum(max(0, pictures - count) for count in there) * each)
    folders = " and ".join(str(cache.folder) for cache in caches)
    return (
        f"teacher: its maps are kept in {folders} ({min(there)} are there; {pictures} pictures need "
        f"{len(caches) * pictures * each / (1 << 20):,.1f} MiB)"
    )


def _path(folder: Path, picture: UInt8[np.ndarray, "3 h w"]) -> Path:
    digest = hashlib.blake2b(picture.tobytes(), digest_size=16, person=b"%dx%d" % picture.shape[1:])
    name = digest.hexdigest()
    return folder / name[:2] / f"{name}.safetensors"


def _precision(device: str) -> str:
    """What a teacher is asked in: a map of half precision is no answer to who computes in full."""
    if not torch.is_autocast_enabled(device):
        return "float32"
    return str(torch.get_autocast_dtype(device)).removeprefix("torch.")


def fingerprint(teacher: nn.Module, facts: str) -> str:
    """Name of a teacher by all that decides its answers."""
    digest = hashlib.blake2b(facts.encode(), digest_size=12)
    for name, values in sorted(teacher.state_dict().items()):
        digest.update(f"{name} {tuple(values.shape)} {values.dtype}".encode())
        digest.update(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _bytes_of(images: Float[Tensor, "b 3 h w"]) -> UInt8[np.ndarray, "b 3 h w"]:
    return (images * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def _write(path: Path, depth: Float[np.ndarray, "h w"]) -> None:
    """Equal steps of log depth: an error of at most 1/130,000 of the map's range of log depth."""
    known = np.isfinite(depth) & (depth > 0)
    logs = np.log(np.where(known, depth, 1.0))
    low, high = (float(end(logs[known])) if known.any() else 0.0 for end in (np.min, np.max))
    codes = np.rint((logs - low) / max(high - low, 1e-9) * STEPS) + 1
    tensors: dict[str, np.ndarray] = {
        "codes": np.where(known, codes, 0).astype(np.uint16),
        "ends": np.array([low, high], np.float32),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, safetensors.numpy.save(tensors))


def _read(path: Path, size: tuple[int, ...]) -> Float[np.ndarray, "h w"] | None:
    """A map of that size; None where there is none, or a file that says something else."""
    try:
        found = safetensors.numpy.load(path.read_bytes())
        codes, ends = found["codes"], found["ends"]
    except (OSError, SafetensorError, KeyError):
        return None
    if codes.shape != size or codes.dtype != np.uint16 or ends.shape != (2,) or not np.isfinite(ends).all():
        return None
    low, high = ends.astype(np.float64)
    depth = np.exp(low + (codes.astype(np.float64) - 1) / STEPS * (high - low))
    return np.where(codes > 0, depth, 0.0).astype(np.float32)
