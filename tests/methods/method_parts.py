"""A teacher without a folder and a batch with every field, for tests of methods."""

import torch
from torch import nn

from lumde.nets.depth_small import DepthSmall
from lumde.structures import FrameBatch
from lumde.teachers.base import Frozen, Teacher


class FixedTeacher(Teacher):
    """A small network as teacher, without a folder."""

    gives = ("maps", "depth", "features", "statistics")

    def __init__(self) -> None:
        super().__init__()
        self.net = Frozen(DepthSmall(DepthSmall.Config(size="tiny")))

    def depth(self, images):
        return self.net.net.depth(self.net(images).disp)

    def features(self, images):
        return self.net(images).features

    def norm_layers(self):
        return tuple(m for m in self.net.modules() if isinstance(m, nn.BatchNorm2d))


class TwoPasses(FixedTeacher):
    """Labels that are not what one pass of its network answers, with a hole."""

    one_pass = False

    def labels(self, images):
        depth = 2 * self.depth(images)
        depth[:, :, :8, :8] = 0
        return depth


def frames_of(count: int) -> FrameBatch:
    """Random frames of 32 x 64 pixels with everything that a dataset may provide."""
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(count, 3, 32, 64, generator=generator)
    sources = torch.rand(count, 2, 3, 32, 64, generator=generator)
    intrinsics = torch.tensor([[40.0, 0, 31.5], [0, 40.0, 15.5], [0, 0, 1]]).expand(count, 3, 3)
    return FrameBatch(
        image=image,
        jittered=0.8 * image + 0.1,
        intrinsics=intrinsics,
        sources=sources,
        sources_jittered=0.8 * sources + 0.1,
        offsets=(-1, 1),
        source_from_target=torch.eye(4).expand(count, 2, 4, 4),
        depth=1 + 10 * torch.rand(count, 1, 32, 64, generator=generator),
        mask=torch.ones(count, 1, 32, 64, dtype=torch.bool),
        object_ids=torch.randint(0, 5, (count, 1, 32, 64), generator=generator),
        keys=tuple(f"a/{i}" for i in range(count)),
    )
