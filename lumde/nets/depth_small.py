"""Plain small U-Nets, for small pictures and short trainings; few channels where pixels are many."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lumde.nets.base import DepthNet, fp32_sigmoid_head
from lumde.nets.bins import make_bins, quarter_output
from lumde.nets.local_global import LocalGlobal
from lumde.structures import DepthOutput

WIDTHS = {  # channels at 1/2, 1/4, 1/8, 1/16, 1/32
    "base": (24, 40, 64, 112, 200),
    "light": (16, 24, 40, 96, 192),
    "tiny": (8, 12, 16, 32, 48),
}


class DepthSmall(DepthNet):
    """A plain U-Net, quick on a CPU: 1.5 M (`base`), 1.1 M (`light`) or 0.1 M (`tiny`) parameters."""

    @dataclass(kw_only=True)
    class Config(DepthNet.Config):
        """Knobs of the plain U-Nets."""

        name: str = "depth_small"
        size: Literal["base", "light", "tiny"] = "base"
        local_global: bool = False  # each level of the encoder also sees a summary of the whole map
        bins: int = 0  # > 0: depth is what so many bins expect at 1/4, where the decoder then ends

    def __init__(self, config: Config) -> None:
        """Build encoder, decoder and heads for `config.size`."""
        super().__init__(config)
        widths = WIDTHS[config.size]
        self.down = nn.ModuleList(
            _Down(a, b, config.local_global) for a, b in zip((3, *widths), widths, strict=False)
        )
        ups = [_Up(a, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True)]
        self.up = nn.ModuleList(ups[:-1] if config.bins else ups)
        self.bins = make_bins(config.bins, widths[1], config)
        self.heads = nn.ModuleList([] if config.bins else [_full_size_head(widths[0])])
        if not config.bins:
            self.heads.extend(_head(widths[scale - 1]) for scale in range(1, config.scales))
        self.start_heads(self.heads)

    def encode(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b _ _ _"], ...]:
        """The encoder's five maps, finest first."""
        features = []
        x = image
        for down in self.down:
            x = down(x)
            features.append(x)
        return tuple(features)

    def decode(self, features: tuple[Float[Tensor, "b _ _ _"], ...]) -> DepthOutput:
        """Answer `config.scales` disparities from five maps of the encoder's sizes."""
        x = features[-1]
        decoded = []
        for up, skip in zip(self.up, features[-2::-1], strict=False):
            x = up(x, skip)
            decoded.append(x)
        if self.bins is not None:
            disp, probabilities = self.bins(x)
            return quarter_output(disp, probabilities, features, self.config.scales)
        finest_first = (decoded[-1], *decoded[::-1])  # scales 0 and 1 both read the map at 1/2
        disps = tuple(fp32_sigmoid_head(head, x) for head, x in zip(self.heads, finest_first, strict=False))
        return DepthOutput(disps=disps, features=features)


class _Down(nn.Module):
    """Halve the size, then refine with a residual convolution."""

    def __init__(self, channels_in: int, channels: int, local_global: bool) -> None:
        super().__init__()
        self.halve = _conv(channels_in, channels, stride=2)
        refine = _conv(channels, channels)
        self.refine = LocalGlobal(refine, channels, channels) if local_global else refine

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        x = self.halve(x)
        return x + self.refine(x)


class _Up(nn.Module):
    """Narrow at the small size, double the size, join the encoder's map."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.narrow = _conv(channels_in, channels)
        self.join = _conv(2 * channels, channels)

    def forward(
        self, x: Float[Tensor, "b c h w"], skip: Float[Tensor, "b d h2 w2"]
    ) -> Float[Tensor, "b d h2 w2"]:
        x = F.interpolate(self.narrow(x), scale_factor=2.0, mode="nearest")
        return self.join(torch.cat((x, skip), dim=1))


def _conv(channels_in: int, channels: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def _head(channels: int) -> nn.Conv2d:
    """A head whose first answer is nearly flat: a photometric start without noise in depth."""
    head = nn.Conv2d(channels, 1, 3, padding=1)
    nn.init.normal_(head.weight, std=0.01)
    _zero_bias(head)
    return head


def _full_size_head(channels: int) -> nn.Sequential:
    """Four sub-pixels from each pixel at 1/2: full size without a convolution at full size.

    The four start equal (no checkerboard at first), and part as the losses ask.
    """
    head = nn.Conv2d(channels, 4, 3, padding=1)
    with torch.no_grad():
        head.weight.copy_(_head(channels).weight.expand_as(head.weight))
    _zero_bias(head)
    return nn.Sequential(head, nn.PixelShuffle(2))


def _zero_bias(conv: nn.Conv2d) -> None:
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
