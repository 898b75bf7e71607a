"""The labelled part of NYU Depth v2: one file, `nyu_depth_v2_labeled.mat`, of 1,449 pictures with depth."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Int

from lumde.data.recorded import RecordedDataset
from lumde.data.splits import find_split, read_split
from lumde.errors import ConfigError, DataError
from lumde.registry import Named
from lumde.structures import Frame, FrameKey

if TYPE_CHECKING:
    import h5py

FILE_NAME = "nyu_depth_v2_labeled.mat"
# Colour camera of the official toolbox (camera_params.m), 640x480.
INTRINSICS = np.array([[518.8579, 0.0, 325.5824], [0.0, 519.4696, 253.7362], [0.0, 0.0, 1.0]])
MATLAB_KEYS = {"test": "testNdxs", "train": "trainNdxs"}  # of the official splits.mat


class Nyu(RecordedDataset):
    """NYU Depth v2, labelled pictures: single indoor frames with RGB-D depth, for testing (654 of them)."""

    provides = ("depth",)
    protocol = "nyu"

    @dataclass(kw_only=True)
    class Config(Named):
        """Which pictures, and which depth.

        `split`: "eigen" (the 654 official test pictures, found by the raw file names stored in the file); or
        the official splits.mat (its test indices; `subset: train` for the others); or a text file with an
        index per line, 1 = first picture as in MATLAB; "" = all pictures.
        """

        name: str = "nyu"
        root: str  # the HDF5 file, or the folder that holds it
        split: str = "eigen"
        subset: Literal["test", "train"] = "test"  # of a splits.mat
        depth: Literal["filled", "raw"] = "filled"  # inpainted (published results use it), or as measured

    def __init__(self, config: Config) -> None:
        """Find the pictures; none is decoded.

        Raises:
            DataError: no such file, not the labelled file, or a split that does not fit it.
            ConfigError: h5py is not installed.
        """
        self.config = config
        root = Path(config.root)
        self.path = root / FILE_NAME if root.is_dir() else root
        with _opened(self.path) as file:
            count = len(file["images"])
            chosen = self._chosen(file, count)
        if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= count:
            raise DataError(f"split {config.split!r}: indices 1..{count} expected (1 = first picture)")
        self.names = {self.path.stem: {index: f"{index + 1:04d}" for index in range(count)}}
        self.targets = [FrameKey(self.path.stem, index, f"{index + 1:04d}") for index in chosen.tolist()]

    def neighbour(self, key: FrameKey, offset: int) -> FrameKey | None:
        """None: the labelled pictures are no video."""
        return None

    def read_fields(self, key: FrameKey, fields: tuple[str, ...]) -> Frame:
        """Decode one picture; the file is opened anew, since handles must not be shared between processes."""
        depths = "depths" if self.config.depth == "filled" else "rawDepths"
        with _opened(self.path) as file:
            image = np.ascontiguousarray(file["images"][key.position].transpose(2, 1, 0))
            depth = np.ascontiguousarray(file[depths][key.position].T) if "depth" in fields else None
        return Frame(image=image, intrinsics=INTRINSICS, depth=depth)

    def _chosen(self, file: "h5py.File", count: int) -> Int[np.ndarray, " n"]:
        """Indices of the wanted pictures, from 0."""
        if not self.config.split:
            return np.arange(count)
        path = find_split("nyu", self.config.split)
        if path.suffix == ".mat":
            return self._from_matlab(path)
        entries = read_split(path)
        self.expected = len(entries)
        if all(text.isdecimal() for _, text in entries):
            return np.array([int(text) for _, text in entries]) - 1
        stored = {name: index for index, name in enumerate(_raw_names(file))}
        for number, text in entries:
            if text not in stored:
                raise DataError(f"{path}:{number}: {text!r} is no picture of {self.path} (rawRgbFilenames)")
        return np.array([stored[text] for _, text in entries])

    def _from_matlab(self, path: Path) -> Int[np.ndarray, " n"]:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError

        key = MATLAB_KEYS[self.config.subset]
        try:
            indices = loadmat(path)[key].ravel().astype(np.int64) - 1
        except (OSError, ValueError, KeyError, NotImplementedError, MatReadError) as error:
            raise DataError(f"{path}: not the official splits.mat with {key} ({error})") from error
        self.expected = len(indices)
        return indices


def _opened(path: Path) -> Any:
    """Open the labelled file for reading; DataError or ConfigError says what is missing."""
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise ConfigError("nyu: reading HDF5 needs h5py; install it with `pip install lumde[nyu]`") from error
    if not path.is_file():
        raise DataError(f"{path}: no such file; download {FILE_NAME} (2.8 GB) from the NYU Depth v2 page")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path}: not an HDF5 file, or cut short ({error})") from error
    shapes = {name: getattr(file.get(name), "shape", ()) for name in ("images", "depths", "rawDepths")}
    if [len(shape) for shape in shapes.values()] != [4, 3, 3]:
        found = ", ".join(file)
        file.close()
        raise DataError(f"{path}: images, depths and rawDepths expected, found {found or 'nothing'}")
    return file


def _raw_names(file: "h5py.File") -> list[str]:
    """Names of the raw colour files: a MATLAB cell array, i.e. references to arrays of character codes."""
    if "rawRgbFilenames" not in file:
        raise DataError(f"{file.filename}: lacks rawRgbFilenames; give split a file of indices instead")
    references = file["rawRgbFilenames"][()].ravel()
    return ["".join(map(chr, file[reference][()].ravel())) for reference in references]
