"""The depth network of Monodepth2: a ResNet encoder, a decoder padded by reflection, the published names."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lumde.nets.base import DepthNet, fp32_sigmoid_head
from lumde.nets.resnet import CHANNELS, resnet_encoder, resnet_features
from lumde.structures import DepthOutput

WIDTHS = (16, 32, 64, 128, 256)  # decoder channels of stages 0 (full size) to 4 (1/16)


class DepthResnet(DepthNet):
    """Monodepth2's network: torchvision ResNet-18, 34 or 50, U-Net decoder, up to four scales.

    State names are those of Monodepth2's `encoder.pth` and `depth.pth` together.

    Source: Godard et al. 2019, arXiv:1806.01260, supplementary sec. on networks; padding and order of layers
    as in its program.
    """

    smallest = 64  # reflection needs two pixels at 1/32

    @dataclass(kw_only=True)
    class Config(DepthNet.Config):
        """Knobs of the ResNet network."""

        name: str = "depth_resnet"
        layers: Literal[18, 34, 50] = 18
        weights: str = "none"  # encoder's start: none, imagenet, or the path of a torchvision weight file

        def architecture(self) -> DepthNet.Config:
            """The same network without a start."""
            return replace(super().architecture(), weights="none")

    def __init__(self, config: Config) -> None:
        """Build the network and give the encoder its start."""
        super().__init__(config)
        self.encoder = resnet_encoder(config.layers, config.weights)
        skips = (0, *CHANNELS[config.layers][:4])  # channels joined at stages 0 to 4
        blocks: list[nn.Module] = []
        channels = CHANNELS[config.layers][-1]
        for stage in (4, 3, 2, 1, 0):
            blocks.append(_ConvBlock(channels, WIDTHS[stage]))
            blocks.append(_ConvBlock(WIDTHS[stage] + skips[stage], WIDTHS[stage]))
            channels = WIDTHS[stage]
        heads = [_Conv3x3(WIDTHS[scale], 1) for scale in range(config.scales)]
        self.decoder = nn.ModuleList([*blocks, *heads])
        self.start_heads(heads)

    def encode(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b _ _ _"], ...]:
        """The encoder's five maps, finest first."""
        return resnet_features(self.encoder, image)

    def decode(self, features: tuple[Float[Tensor, "b _ _ _"], ...]) -> DepthOutput:
        """Answer `config.scales` disparities from five maps of the encoder's sizes."""
        x = features[-1]
        disps: list[Tensor] = []
        for stage in (4, 3, 2, 1, 0):
            x = F.interpolate(self.decoder[8 - 2 * stage](x), scale_factor=2.0, mode="nearest")
            if stage > 0:
                x = torch.cat((x, features[stage - 1]), dim=1)
            x = self.decoder[9 - 2 * stage](x)
            if stage < self.config.scales:
                disps.append(fp32_sigmoid_head(self.decoder[10 + stage], x))
        return DepthOutput(disps=tuple(disps[::-1]), features=features)


class _Conv3x3(nn.Module):
    """A 3x3 convolution padded by reflection; a module of its own because the weight names say so."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        return self.conv(x)


class _ConvBlock(nn.Module):
    """Convolution and ELU."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv = _Conv3x3(channels_in, channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        return F.elu(self.conv(x))
