"""A pose network that is handed matches instead of having to learn matching: quick to train."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lumde.nets.base import PoseNet, normalised, pooled_motion

FEATURES = 16  # channels that are compared
WIDTHS = (64, 64, 96, 128)  # one halving each, after the correlation at 1/4


class PoseCorrelation(PoseNet):
    """Local correlation of both images' features at 1/4, then strided convolutions; 0.25 M parameters.

    Source: the correlation layer of FlowNet, arXiv:1504.06852, sec. 3; its use for camera motion in this form
    is ours. On procedural streets depth needs fewer steps with it (docs/results.md).
    """

    @dataclass(kw_only=True)
    class Config(PoseNet.Config):
        """How far matches are looked for."""

        name: str = "pose_correlation"
        radius: int = 3  # displacements of up to this many pixels at 1/4 of the size

        def __post_init__(self) -> None:
            if not 1 <= self.radius <= 8:
                raise ValueError(f"radius: 1 to 8, found {self.radius}")

    def __init__(self, config: Config) -> None:
        """Build the network."""
        super().__init__(config)
        self.radius = config.radius
        self.features = nn.Sequential(
            _conv(3, FEATURES, 5, 2),
            _conv(FEATURES, FEATURES, 3, 2),
            nn.Conv2d(FEATURES, FEATURES, 3, padding=1),
        )
        channels = (2 * config.radius + 1) ** 2 + FEATURES + 2
        layers = [_conv(a, b, 3, 2) for a, b in zip((channels, *WIDTHS), WIDTHS, strict=False)]
        self.net = nn.Sequential(*layers, nn.Conv2d(WIDTHS[-1], 6, 1))

    def forward(
        self, first: Float[Tensor, "b 3 h w"], second: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b 3"], Float[Tensor, "b 3"]]:
        """Answer (axis_angle in radians, translation) of the transform second_from_first, fp32."""
        a, b = (F.normalize(self.features(normalised(image)), dim=1) for image in (first, second))
        matches = correlation(a, b, self.radius)
        return pooled_motion(self.net(torch.cat((matches, a, _positions(a)), dim=1)))


def correlation(
    a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"], radius: int
) -> Float[Tensor, "b k h w"]:
    """Compare each place of `a` with the places of `b` up to `radius` away: dot products, 0 outside `b`.

    Channel `i * (2 * radius + 1) + j` belongs to the displacement (i - radius) down, (j - radius) right.
    """
    batch, c, h, w = a.shape
    span, wide = 2 * radius + 1, w + 2 * radius
    padded = F.pad(b, (radius,) * 4)
    # One matrix product per row of `a` with the `span` rows of `b` around it: a backward pass four times as
    # fast as that of a product per displacement.
    around = torch.stack([padded[:, :, i : i + h] for i in range(span)], dim=3)  # b c h span wide
    around = around.permute(0, 2, 1, 3, 4).reshape(batch * h, c, span * wide)
    rows = a.permute(0, 2, 3, 1).reshape(batch * h, w, c)
    scores = torch.bmm(rows, around).view(batch * h, w, span, wide).transpose(1, 2).reshape(-1, w * wide)
    # Rows one longer than they are: column j of row x is then the score of column x + j.
    band = F.pad(scores, (0, w)).view(batch, h, span, w, wide + 1)[..., :span]
    return band.permute(0, 2, 4, 1, 3).reshape(batch, span * span, h, w)


def _positions(like: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 2 h w"]:
    """Place in the picture, -1 to 1: the same match means another motion elsewhere."""
    h, w = like.shape[-2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
    return torch.stack((x, y)).to(like).expand(len(like), -1, -1, -1)


def _conv(channels_in: int, channels: int, size: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels, size, stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
