"""Depth as a distribution over bins: the head, and the bins themselves."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lumde.errors import DataError
from lumde.geometry.depth import depth_to_disp, disp_to_depth
from lumde.nets.base import DepthNet, with_coarser
from lumde.structures import DepthOutput

FITTED = 20  # first batches whose depths say where the bins lie
OUTSIDE = 0.005  # share of a batch's pixels beyond either end
MOST_SORTED = 1 << 24  # numbers that `quantile` takes at a time
WIDER = 1.25  # factor by which the range is widened at both ends


class BinRange(NamedTuple):
    """Where bins lie."""

    nearest: float  # depth of the first centre, > 0
    farthest: float  # depth of the last centre
    even: bool = False  # evenly spaced in depth, as papers have it; else in its logarithm


def quarter_output(
    disp: Float[Tensor, "b 1 h w"],
    probabilities: Float[Tensor, "b k h w"],
    features: tuple[Tensor, ...],
    scales: int,
) -> DepthOutput:
    """The answer of a network that predicts at a quarter of its size: enlarged twice, averaged beyond."""
    finer = (
        F.interpolate(disp, scale_factor=factor, mode="bilinear", align_corners=False)
        for factor in (4.0, 2.0)
    )
    disps = with_coarser((*finer, disp), scales)
    return DepthOutput(disps=disps, features=features, probabilities=probabilities)


def bin_centres(count: int, within: BinRange) -> Float[Tensor, " k"]:
    """Depths of the bins, nearest first."""
    if within.even:
        return torch.linspace(within.nearest, within.farthest, count)
    ends = math.log(within.nearest), math.log(within.farthest)
    return torch.linspace(*ends, count, dtype=torch.float64).exp().float()


def make_bins(count: int, channels: int, config: DepthNet.Config) -> "BinsHead | None":
    """The head of a network that asks for bins."""
    return BinsHead(channels, count, config) if count else None


def widen_bins(net: DepthNet, depth: Float[Tensor, "..."], valid: Bool[Tensor, "..."] | None = None) -> None:
    """While a network with depth bins trains: put them where what it learns from lies; others have none."""
    bins = getattr(net, "bins", None)
    if isinstance(bins, BinsHead) and net.training:
        bins.widen(depth if valid is None else depth[valid])


def start_bins(net: DepthNet) -> None:
    """Let a fresh network with bins begin where one without does, at a sigmoid of 1/2; others stay.

    For those who learn from video alone: bins begin at the mean of their range, tens of times too far for the
    small motions that an untrained pose network answers, and pictures then show no parallax to learn from.
    """
    bins = getattr(net, "bins", None)
    if isinstance(bins, BinsHead) and not bins.started:
        bins.begin_at(float(disp_to_depth(torch.full((1, 1), 0.5), *bins.limits)))


class BinsHead(nn.Module):
    """Probabilities of depth bins at every pixel of a map, and the depth that they expect.

    The centres are weights of the network: whoever trains it may move them (`move`) before its first step.
    The probabilities that `start_depth` asks for stay with their bins then: the first answer moves along.

    Source: the expected depth over K = 257 bins that lie evenly in depth: Choi et al. 2024, arXiv:2402.14340;
    even spacing in its logarithm is ours.
    """

    centres: Tensor
    batches: Tensor

    def __init__(self, channels: int, count: int, config: DepthNet.Config) -> None:
        """Bins over the network's whole range, which also bounds every answer."""
        super().__init__()
        self.limits = limits = config.limits
        self.logits = nn.Conv2d(channels, count, 1)
        nn.init.normal_(self.logits.weight, std=0.01)  # nearly even at first
        assert self.logits.bias is not None
        nn.init.zeros_(self.logits.bias)
        self.register_buffer("centres", bin_centres(count, BinRange(*limits)))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))  # that moved the bins so far
        if config.start_depth:
            self.begin_at(config.start_depth)

    @property
    def started(self) -> bool:
        """Whether anybody said where to begin, or it has learned something."""
        return self.logits.bias is not None and bool(self.logits.bias.any())

    @torch.no_grad()
    def begin_at(self, depth: float) -> None:
        """Make this depth the first answer: log-normal of deviation 1, cut where the bins end."""
        assert self.logits.bias is not None
        # Its mean, not its median, shall be the start.
        self.logits.bias.copy_(-0.5 * ((self.centres / depth).log() + 0.5).square())

    def widen(self, depths: Float[Tensor, "..."]) -> None:
        """Put the bins over these depths and those of later batches, until FITTED were seen."""
        seen = int(self.batches)
        if seen >= FITTED or not depths.numel():
            return
        shares = depths.new_tensor([OUTSIDE, 1 - OUTSIDE], dtype=torch.float32)
        some = depths.flatten()[:: -(-depths.numel() // MOST_SORTED)].float()
        low, high = (float(end) for end in some.quantile(shares))
        low, high = low / WIDER, high * WIDER
        if seen:
            low, high = min(low, float(self.centres[0])), max(high, float(self.centres[-1]))
        self.move(BinRange(low, high))
        self.batches += 1

    def move(self, within: BinRange) -> None:
        """Put the bins elsewhere for good, within the network's limits; DataError if they end up nowhere."""
        nearest, farthest = max(within.nearest, self.limits[0]), min(within.farthest, self.limits[1])
        if nearest >= farthest:
            raise DataError(
                f"depths from {within.nearest:.3g} to {within.farthest:.3g}, the student's range is "
                f"{self.limits[0]:g} to {self.limits[1]:g}: set student.min_depth and student.max_depth, or "
                "look at how the teacher's answers are read"
            )
        moved = bin_centres(len(self.centres), BinRange(nearest, farthest, within.even))
        self.centres.copy_(moved)

    def forward(
        self, x: Float[Tensor, "b c h w"]
    ) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b k h w"]]:
        """Disparity as a sigmoid would give it, in [0, 1], and probabilities, in fp32 even under autocast."""
        with torch.autocast(device_type=x.device.type, enabled=False):
            probabilities = self.logits(x.float()).softmax(1)
            depth = torch.einsum("bkhw,k->bhw", probabilities, self.centres)[:, None]
            return depth_to_disp(depth.clamp(*self.limits), *self.limits), probabilities
