"""Depth without looking at the image: the rows that every real prediction has to beat."""

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt

from lumde.data.base import FrameDataset
from lumde.errors import DataError
from lumde.evaluators.protocols import Protocol, measured

GRID = (
    96,
    320,
)  # rows, columns at most: LiDAR is too sparse, and its image sizes too mixed, for single pixels
MAX_FRAMES = 1000  # keeps the per-pixel median below 130 MB; longer sets are sampled evenly


class TrivialDepths:
    """Collects ground truth on a common grid and answers the best maps that ignore the image."""

    def __init__(self, grid: tuple[int, int]) -> None:
        """Fix the grid (rows, columns)."""
        self.grid = grid
        self._maps: list[Float[np.ndarray, "gh gw"]] = []
        self._medians: list[float] = []

    def add(self, depth: Float[np.ndarray, "h w"], valid: Bool[np.ndarray, "h w"]) -> None:
        """Take one ground-truth map of any size; each cell holds the mean of its valid pixels."""
        if not valid.any():
            return
        cells = self._cells(*depth.shape)[valid]
        counts = np.bincount(cells, minlength=self.grid[0] * self.grid[1])
        sums = np.bincount(cells, weights=depth[valid], minlength=counts.size)
        means = np.divide(sums, counts, out=np.full(counts.size, np.nan), where=counts > 0)
        self._maps.append(means.reshape(self.grid).astype(np.float32))
        self._medians.append(float(np.median(depth[valid])))

    def maps(self) -> dict[str, Float[np.ndarray, "gh gw"]]:
        """Answer constant, mean and median depth in metres; a cell never measured takes its neighbour's.

        Raises:
            DataError: nothing was added.
        """
        if not self._maps:
            raise DataError("no frame has ground truth: the trivial baselines have nothing to average")
        stack = np.stack(self._maps)
        seen = np.isfinite(stack).any(axis=0)
        nearest = distance_transform_edt(~seen, return_distances=False, return_indices=True)
        counts = np.isfinite(stack).sum(axis=0)
        mean = np.nansum(stack, axis=0, dtype=np.float64) / np.maximum(counts, 1)
        median = np.full(self.grid, np.nan)
        median[seen] = np.nanmedian(stack[:, seen], axis=0)
        return {
            "constant_depth": np.full(self.grid, np.median(self._medians)),
            "mean_depth": mean[tuple(nearest)],
            "median_depth": median[tuple(nearest)],
        }

    def _cells(self, height: int, width: int) -> np.ndarray:
        rows = ((np.arange(height) + 0.5) * self.grid[0] / height).astype(int)
        columns = ((np.arange(width) + 0.5) * self.grid[1] / width).astype(int)
        return rows[:, None] * self.grid[1] + columns[None, :]


def trivial_depths(dataset: FrameDataset, protocol: Protocol) -> dict[str, Float[np.ndarray, "gh gw"]]:
    """Build the trivial maps of a dataset: constant_depth, mean_depth, median_depth, in metres."""
    step = -(-len(dataset.targets) // MAX_FRAMES)
    collected: TrivialDepths | None = None
    for key in dataset.targets[:: max(step, 1)]:
        frame = dataset.read(key)
        if frame.depth is None:
            continue
        if collected is None:
            height, width = frame.depth.shape
            collected = TrivialDepths((min(height, GRID[0]), min(width, GRID[1])))
        collected.add(frame.depth, measured(protocol, frame.depth, frame.mask))
    return (collected or TrivialDepths(GRID)).maps()
