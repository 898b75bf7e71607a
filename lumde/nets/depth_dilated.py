"""The student of TIE-KD: a dilated MobileNetV2, DenseDepth's decoder, depth bins at full size."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torchvision import models

from lumde.nets.base import DepthNet, tapped_maps, with_coarser
from lumde.nets.bins import BinsHead
from lumde.nets.weights import load_encoder
from lumde.structures import DepthOutput

TAPS = {1: 16, 3: 24, 6: 32, 13: 96, 17: 320}  # block -> channels; the decoder does not read the first
DILATIONS = {range(7, 14): 2, range(14, 18): 4}  # of blocks behind a stride of 2 that is one of 1 here
WIDTHS = (2048, 512, 256, 128)  # of the decoder, from the deepest map to the one at 1/4


class DepthDilated(DepthNet):
    """A MobileNetV2 that stops at 1/8, DenseDepth's wide decoder, depth bins at full size: 17.6 M parameters.

    The student of TIE-KD, to hold others against: light it is not (8.5 GMAC for 96x128).

    Source: Choi et al. 2024, arXiv:2402.14340 (encoder, taps, widths, two doublings to full size, 257 bins).
    Which convolutions of a stage are dilated (all 3x3 ones), the slope of its ReLU, the bins' spacing and the
    coarser answers, which are averages, are ours.
    """

    strides: ClassVar[tuple[int, ...]] = (2, 4, 8, 8, 8)

    @dataclass(kw_only=True)
    class Config(DepthNet.Config):
        """Knobs of the dilated network."""

        name: str = "depth_dilated"
        bins: int = 257  # >= 2
        weights: str = "none"  # encoder's start: none, imagenet, or the path of a torchvision weight file

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.bins < 2:
                raise ValueError(f"bins: at least 2, found {self.bins}")

        def architecture(self) -> DepthNet.Config:
            """The same network without a start."""
            return replace(super().architecture(), weights="none")

    def __init__(self, config: Config) -> None:
        """Build the network and give the encoder its start."""
        super().__init__(config)
        blocks = models.mobilenet_v2(weights=None).features[:-1]
        self.encoder = nn.ModuleDict({"features": nn.Sequential(*blocks)})  # torchvision's names
        for stage, dilation in DILATIONS.items():
            for index in stage:
                _dilate(blocks[index], dilation)
        load_encoder(self.encoder, config.weights, "mobilenet_v2")
        *skips, deepest = list(TAPS.values())[1:]
        self.widen = nn.Conv2d(deepest, WIDTHS[0], 1)
        joined = zip(WIDTHS, reversed(skips), strict=False)
        self.join = nn.ModuleList(
            _pair(width + skip, after) for (width, skip), after in zip(joined, WIDTHS[1:], strict=True)
        )
        self.enlarge = nn.ModuleList(_pair(WIDTHS[-1], WIDTHS[-1]) for _ in range(2))
        self.bins = BinsHead(WIDTHS[-1], config.bins, config)

    def encode(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b _ _ _"], ...]:
        """The encoder's five maps, finest first; three of them at 1/8."""
        return tapped_maps(self.encoder["features"].children(), image, TAPS)

    def decode(self, features: tuple[Float[Tensor, "b _ _ _"], ...]) -> DepthOutput:
        """Answer `config.scales` disparities from five maps of the encoder's sizes."""
        x = self.widen(features[-1])
        for join, skip in zip(self.join, features[-2:0:-1], strict=True):
            x = F.interpolate(x, skip.shape[-2:], mode="bilinear", align_corners=False)
            x = join(torch.cat((x, skip), dim=1))
        for enlarge in self.enlarge:
            x = enlarge(F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False))
        disp, probabilities = self.bins(x)
        disps = with_coarser((disp,), self.config.scales)
        return DepthOutput(disps=disps, features=features, probabilities=probabilities)


def _dilate(block: nn.Module, dilation: int) -> None:
    """Let a block's 3x3 convolution look wider instead of stepping further."""
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
            layer.stride, layer.dilation, layer.padding = (1, 1), (dilation,) * 2, (dilation,) * 2


def _pair(channels_in: int, channels: int) -> nn.Sequential:
    """Twice 3x3, normalisation, leaky ReLU."""
    layers: list[nn.Module] = []
    for inner in (channels_in, channels):
        layers += [
            nn.Conv2d(inner, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    return nn.Sequential(*layers)
