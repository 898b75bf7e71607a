"""The student of "Boosting Light-Weight Depth Estimation": MobileNetV2, its levels fused at half size."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torchvision import models

from lumde.nets.base import DepthNet, fp32_sigmoid_head, tapped_maps, with_coarser
from lumde.nets.weights import load_encoder
from lumde.structures import DepthOutput

BLOCKS = 17  # of MobileNetV2's `features`: the last bottleneck and the final 1x1 convolution are dropped
TAPS = {1: 16, 3: 24, 6: 32, 13: 96, 16: 160}  # block -> channels, at 1/2 to 1/32; the first is not fused
WIDTH = 16  # channels of each fused level


class DepthFusion(DepthNet):
    """MobileNetV2 whose four levels are weighted, enlarged to half size and fused: 1.674 M parameters.

    Nine tenths of its multiplications are the 5x5 convolutions at half size: few parameters are not few
    operations.

    Source: Hu et al. 2021, arXiv:2105.06143, sec. 3. There it answers metric depth as it is; the sigmoid
    disparity and the coarser answers, which are averages of the finest, are ours.
    """

    @dataclass(kw_only=True)
    class Config(DepthNet.Config):
        """Knobs of the fusion network."""

        name: str = "depth_fusion"
        weights: str = "none"  # encoder's start: none, imagenet, or the path of a torchvision weight file

        def architecture(self) -> DepthNet.Config:
            """The same network without a start."""
            return replace(super().architecture(), weights="none")

    def __init__(self, config: Config) -> None:
        """Build the network and give the encoder its start."""
        super().__init__(config)
        blocks = models.mobilenet_v2(weights=None).features[:BLOCKS]
        self.encoder = nn.ModuleDict({"features": nn.Sequential(*blocks)})  # torchvision's names
        load_encoder(self.encoder, config.weights, "mobilenet_v2")
        fused = list(TAPS.values())[1:]
        self.weigh = nn.ModuleList(_Excitation(channels) for channels in fused)
        self.squeeze = nn.ModuleList(_conv(channels, WIDTH) for channels in fused)
        whole = WIDTH * len(fused)
        self.fuse = nn.Sequential(_conv(whole, whole), _conv(whole, whole))
        self.head = nn.Conv2d(whole, 1, 5, padding=2)
        nn.init.normal_(self.head.weight, std=0.01)  # nearly flat at first
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)
        self.start_heads([self.head])

    def encode(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b _ _ _"], ...]:
        """The encoder's five maps, finest first."""
        return tapped_maps(self.encoder["features"].children(), image, TAPS)

    def decode(self, features: tuple[Float[Tensor, "b _ _ _"], ...]) -> DepthOutput:
        """Answer `config.scales` disparities from five maps of the encoder's sizes."""
        half = features[0].shape[-2:]
        levels = [
            F.interpolate(squeeze(weigh(level)), half, mode="bilinear", align_corners=True)
            for weigh, squeeze, level in zip(self.weigh, self.squeeze, features[1:], strict=True)
        ]
        disp = fp32_sigmoid_head(self.head, self.fuse(torch.cat(levels, dim=1)))
        full = F.interpolate(disp, scale_factor=2.0, mode="bilinear", align_corners=False)
        return DepthOutput(disps=with_coarser((full, disp), self.config.scales), features=features)


class _Excitation(nn.Module):
    """Weigh channels by what the whole picture says of them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 16
        self.weights = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Multiply the weights in."""
        return x * self.weights(x.mean((2, 3), keepdim=True))


def _conv(channels_in: int, channels: int) -> nn.Sequential:
    """5x5, normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 5, padding=2, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )
