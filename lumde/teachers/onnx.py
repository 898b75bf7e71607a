"""A depth network in an ONNX file as teacher, run by onnxruntime."""

from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lumde.errors import CheckpointError, ConfigError
from lumde.files import sha256
from lumde.models import resize_disparity, resize_pictures
from lumde.structures import Unit
from lumde.teachers.foreign import ForeignConfig, ForeignTeacher


class OnnxTeacher(ForeignTeacher):
    """An ONNX file whose one input is pictures [n, 3, h, w] and whose first output is depth or disparity."""

    @dataclass(kw_only=True)
    class Config(ForeignConfig):
        """Which file, and what the network was trained to see."""

        name: str = "onnx"
        path: str  # the file
        unit: Unit = "relative"  # of its answers; metres only if they are depth
        # Rows and columns of its input; (0, 0) = as the file says, else the pictures' own.
        size: tuple[int, int] = (0, 0)
        # Pictures of 0..1 are shifted and divided by these, per channel; the defaults change nothing.
        mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
        deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)

        def __post_init__(self) -> None:
            """Refuse what cannot be."""
            super().__post_init__()
            if min(self.deviation) <= 0:
                raise ValueError(f"deviation: must be positive, found {self.deviation}")
            if self.unit == "metres" and self.answers == "disparity":
                raise ValueError("unit: metres are depth, not disparity")
            if min(self.size) < 0 or (min(self.size) == 0 and max(self.size)):
                raise ValueError(f"size: rows and columns, or (0, 0), found {self.size}")

    def __init__(self, config: Config) -> None:
        """Open the file.

        Raises:
            ConfigError: onnxruntime is missing, or `size` is not that of the file.
            CheckpointError: the file cannot be read, or is no network of pictures.
        """
        super().__init__()
        self.config, self.unit = config, config.unit
        self.answers = None if config.answers == "auto" else config.answers
        if self.unit == "metres":
            self.answers = "depth"
        self.session = _opened(Path(config.path))
        self.size, self.batch = _input_shape(self.session, config)

    def facts(self) -> str:
        """The bytes of graph and weights, preprocessing, and how its answers are read."""
        config, path = self.config, Path(self.config.path)
        fed = (config.size, config.mean, config.deviation, config.affine)
        weights = [sha256(file) for file in (path, *_named_in(path))]
        return f"{self.pass_facts()}{self.answers} {self.unit} {fed} {' '.join(weights)}"

    @torch.no_grad()
    def answer(self, images: Float[Tensor, "b 3 h w"], size: float = 1.0) -> Float[Tensor, "b 1 h w"]:
        """What the network says, enlarged to the images' size.

        Raises:
            CheckpointError: the network cannot run on such pictures, or answers no map per picture.
        """
        whole = (images.shape[-2], images.shape[-1])
        rows, columns = (round(size * (own or side)) for own, side in zip(self.size, whole, strict=True))
        seen = resize_pictures(images.float(), (rows, columns))
        mean, deviation = (
            seen.new_tensor(v).view(3, 1, 1) for v in (self.config.mean, self.config.deviation)
        )
        pictures = ((seen - mean) / deviation).cpu().numpy()
        count = self.batch or len(pictures)
        answers = [self._run(pictures[i : i + count], count) for i in range(0, len(pictures), count)]
        return resize_disparity(torch.from_numpy(np.concatenate(answers)).to(images.device), whole)

    def _run(self, pictures: Float[np.ndarray, "n 3 h w"], count: int) -> Float[np.ndarray, "n 1 h2 w2"]:
        """One call; a batch that the file fixes is filled up with copies of its last picture."""
        given = len(pictures)
        padded = np.concatenate([pictures, *[pictures[-1:]] * (count - given)])
        try:
            found = np.asarray(self.session.run(None, {self.session.get_inputs()[0].name: padded})[0])
        except _errors() as error:
            reason = str(error).strip().partition("\n")[0]
            raise CheckpointError(
                f"{self.config.path}: cannot run on pictures of {pictures.shape[-2]} x {pictures.shape[-1]} "
                f"({reason}); is teacher.size needed?"
            ) from error
        maps = found.reshape(len(found), -1, *found.shape[-2:]) if found.ndim >= 3 else found
        if maps.ndim != 4 or maps.shape[:2] != (count, 1):
            raise CheckpointError(
                f"{self.config.path}: one map per picture needed, its first output is {list(found.shape)}"
            )
        return maps[:given].astype(np.float32)


def _opened(path: Path) -> Any:
    """A session, on a GPU where onnxruntime has one."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError("teacher onnx needs onnxruntime: pip install 'lumde[onnx]'") from error
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    kinds = [kind for kind in onnxruntime.get_available_providers() if kind.startswith(("CUDA", "CPU"))]
    try:
        return onnxruntime.InferenceSession(str(path), providers=kinds)
    except _errors() as error:
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(f"{path}: no ONNX network that can be run ({reason})") from error


def _named_in(path: Path) -> list[Path]:
    """Files beside a graph whose names stand in it: exporters may keep weights there."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as graph:
        beside = (other for other in sorted(path.parent.iterdir()) if other.is_file() and other != path)
        return [other for other in beside if graph.find(other.name.encode()) >= 0]


def _errors() -> tuple[type[Exception], ...]:
    """What onnxruntime raises: its errors share no class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented")
    own = tuple(
        getattr(state, name) for name in (*names, "RuntimeException", "EPFail") if hasattr(state, name)
    )
    return (*own, RuntimeError, ValueError, TypeError)


def _input_shape(session: Any, config: OnnxTeacher.Config) -> tuple[tuple[int, int], int]:
    """Rows and columns, and pictures per call; 0 = any."""
    inputs = session.get_inputs()
    shape = list(inputs[0].shape) if inputs else []
    if len(inputs) != 1 or len(shape) != 4 or shape[1] not in (3, "3") and isinstance(shape[1], int):
        told = ", ".join(f"{one.name} {one.shape}" for one in inputs)
        raise CheckpointError(f"{config.path}: one input [n, 3, h, w] needed, found {told or 'none'}")
    batch, height, width = (side if isinstance(side, int) else 0 for side in (shape[0], *shape[2:]))
    for own, asked in zip((height, width), config.size, strict=True):
        if own and asked and own != asked:
            raise ConfigError(f"teacher.size: {config.size}, but {config.path} sees {height} x {width}")
    if (height or width) and config.sizes != (1.0,):
        raise ConfigError(f"teacher.sizes: {config.path} sees {height} x {width} and nothing else")
    return (height or config.size[0], width or config.size[1]), batch
