"""The pose network of Monodepth2: a ResNet on two stacked images, four convolutions, the published names."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lumde.nets.base import PoseNet, normalised, pooled_motion
from lumde.nets.resnet import CHANNELS, resnet_encoder, resnet_features


class PoseResnet(PoseNet):
    """Monodepth2's pose network: ResNet on 6 channels; the head answers two motions, the first is used.

    State names are those of Monodepth2's `pose_encoder.pth` and `pose.pth` together.

    Source: Godard et al. 2019, arXiv:1806.01260, sec. 3.1 and its program.
    """

    @dataclass(kw_only=True)
    class Config(PoseNet.Config):
        """Knobs of the ResNet pose network."""

        name: str = "pose_resnet"
        layers: Literal[18, 34, 50] = 18
        weights: str = "none"  # encoder's start: none, imagenet, or the path of a torchvision weight file

    def __init__(self, config: Config) -> None:
        """Build the network and give the encoder its start."""
        super().__init__(config)
        self.encoder = resnet_encoder(config.layers, config.weights, channels_in=6)
        self.net = nn.ModuleList(
            [
                nn.Conv2d(CHANNELS[config.layers][-1], 256, 1),
                nn.Conv2d(256, 256, 3, padding=1),
                nn.Conv2d(256, 256, 3, padding=1),
                nn.Conv2d(256, 12, 1),
            ]
        )

    def forward(
        self, first: Float[Tensor, "b 3 h w"], second: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b 3"], Float[Tensor, "b 3"]]:
        """Answer (axis_angle in radians, translation) of the transform second_from_first, fp32."""
        x = resnet_features(self.encoder, normalised(torch.cat((first, second), dim=1)))[-1]
        for conv in self.net[:-1]:
            x = F.relu(conv(x))
        return pooled_motion(self.net[-1](x))
