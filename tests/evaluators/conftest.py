"""A dataset in memory."""

from dataclasses import dataclass

import numpy as np
import pytest

from lumde.data.base import FrameDataset
from lumde.registry import Named
from lumde.structures import Frame, FrameKey


class TruthDataset(FrameDataset):
    """Ground-truth maps given as arrays; images hold the frame's number in every pixel."""

    provides = ("depth", "mask")

    @dataclass(kw_only=True)
    class Config(Named):
        """No options."""

    def __init__(self, depths, protocol="generic", masks=None, expected=None) -> None:
        self.config = self.Config(name="memory")
        self.depths, self.masks = depths, masks or [None] * len(depths)
        self.targets = [FrameKey("drive", i, f"{i:03d}") for i in range(len(depths))]
        self.protocol, self.expected = protocol, expected

    def neighbour(self, key: FrameKey, offset: int) -> FrameKey | None:
        return None

    def read(self, key: FrameKey) -> Frame:
        depth = self.depths[key.position]
        size = (4, 6) if depth is None else depth.shape
        image = np.full((*size, 3), key.position, dtype=np.uint8)
        image[:, 0] = 200  # the left column differs, so that a mirrored image can be told
        return Frame(image, np.eye(3), depth=depth, mask=self.masks[key.position])


@pytest.fixture(scope="session")
def memory_dataset() -> type[TruthDataset]:
    """The class, for tests to fill."""
    return TruthDataset
