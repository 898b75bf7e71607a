"""A dataset in memory with known motion, for tests of everything above datasets."""

from collections.abc import Sequence

import numpy as np

from lumde.data.base import FrameDataset
from lumde.errors import DataError
from lumde.structures import Frame, FrameKey

HEIGHT, WIDTH, BASELINE = 8, 16, 0.5
INTRINSICS = np.array([[10.0, 0, 7.0], [0, 10.0, 3.0], [0, 0, 1]])


class MemoryDataset(FrameDataset):
    """Frame i shows noise of seed i and lies i metres to the right; `missing` frames are gaps."""

    provides = ("sources", "depth", "pose", "mask", "right")

    def __init__(
        self, count: int, missing: Sequence[int] = (), broken: Sequence[int] = (), still: int = 0
    ) -> None:
        self.positions = [i for i in range(count) if i not in missing]
        self.targets = [FrameKey("clip", i, f"{i:03d}") for i in self.positions]
        self.broken, self.still = broken, still
        self.epochs: list[int] = []

    def begin_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def neighbour(self, key: FrameKey, offset: int) -> FrameKey | None:
        position = key.position + offset
        return FrameKey("clip", position, f"{position:03d}") if position in self.positions else None

    def read(self, key: FrameKey) -> Frame:
        if key.position in self.broken:
            raise DataError(f"clip/{key.name}.png: damaged")
        random = np.random.default_rng(max(key.position, self.still))
        pose = np.eye(4)
        pose[0, 3] = key.position
        mask = np.ones((HEIGHT, WIDTH), np.bool_)
        mask[:, :4] = False
        image = random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        return Frame(
            image,
            INTRINSICS,
            depth=random.uniform(1, 9, (HEIGHT, WIDTH)).astype(np.float32),
            mask=mask,
            world_from_camera=pose,
            right=image[:, ::-1].copy(),
            baseline=BASELINE,
        )
