"""A light convolutional pose network, for small pictures and short trainings."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lumde.nets.base import PoseNet, normalised, pooled_motion

WIDTHS = (16, 32, 64, 96, 128, 128)  # one halving each


class PoseSmall(PoseNet):
    """Six strided convolutions on two stacked images, 0.34 M parameters.

    Source: the layout of Zhou et al. 2017, arXiv:1704.07813, sec. 3.5; narrower, with BatchNorm: ours.
    """

    @dataclass(kw_only=True)
    class Config(PoseNet.Config):
        """The light network has no knobs of its own."""

        name: str = "pose_small"

    def __init__(self, config: Config) -> None:
        """Build the network."""
        super().__init__(config)
        layers: list[nn.Module] = []
        for index, (a, b) in enumerate(zip((6, *WIDTHS), WIDTHS, strict=False)):
            size = 5 if index == 0 else 3
            conv = nn.Conv2d(a, b, size, stride=2, padding=size // 2, bias=False)
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            layers += [conv, nn.BatchNorm2d(b), nn.ReLU(inplace=True)]
        self.net = nn.Sequential(*layers, nn.Conv2d(WIDTHS[-1], 6, 1))

    def forward(
        self, first: Float[Tensor, "b 3 h w"], second: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b 3"], Float[Tensor, "b 3"]]:
        """Answer (axis_angle in radians, translation) of the transform second_from_first, fp32."""
        return pooled_motion(self.net(normalised(torch.cat((first, second), dim=1))))
