"""A light network: a small convolutional encoder, attention once, a separable decoder."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lumde.nets.base import DepthNet, climbed, half_output, separable
from lumde.nets.bins import make_bins, quarter_output
from lumde.structures import DepthOutput

# Blocks of the encoder by stage: channels, stride, expansion, kernels of the depthwise convolutions before
# and after the expansion (0 = none).
STAGES = (
    ((96, 2, 3, 5, 5), *((96, 1, 2, 0, 3),) * 4, (96, 1, 4, 3, 0)),
    ((128, 2, 6, 3, 3), (128, 1, 4, 5, 5), (128, 1, 4, 0, 5), (128, 1, 3, 0, 5), *((128, 1, 4, 0, 3),) * 2),
)
SKIPS = (32, 32, 64, 96)  # channels of the encoder's maps at 1/2 to 1/16
WIDTHS = (24, 48, 64, 96)  # of the decoder's stages 1/2 to 1/16
QUARTER = 1  # the stage at 1/4, the last one of networks with bins


class DepthLight(DepthNet):
    """An encoder after MobileNetV4-conv-small, attention over its last map, a thin decoder: 1.3 M parameters.

    ReLU only, so that it fuses and quantises. The decoder stops at half size; its answer is enlarged.

    Source: the encoder's blocks: Qin et al. 2024, arXiv:2404.10518, conv-small; attention, decoder and the
    stop at half size are ours.
    """

    @dataclass(kw_only=True)
    class Config(DepthNet.Config):
        """Knobs of the light network."""

        name: str = "depth_light"
        attention: bool = True  # one block over the map at 1/32: every pixel may see the whole picture
        bins: int = 0  # > 0: depth is what so many bins expect at 1/4, where the decoder then ends

    def __init__(self, config: Config) -> None:
        """Build the network with a random start."""
        super().__init__(config)
        self.stem = nn.ModuleList(
            [_conv(3, 32, 2), nn.Sequential(_conv(32, 32, 2), _point(32, 32)), _stage_8()]
        )
        channels, stages = 64, []
        for blocks in STAGES:
            stage = []
            for out, stride, expansion, before, after in blocks:
                stage.append(_Block(channels, out, stride, expansion, before, after))
                channels = out
            stages.append(nn.Sequential(*stage))
        self.stages = nn.ModuleList(stages)
        self.attention = _Attention(channels) if config.attention else nn.Identity()
        used = range(QUARTER if config.bins else 0, len(WIDTHS))
        deeper = (*WIDTHS[1:], channels)
        self.narrow = _stages(used, [(deeper[i], WIDTHS[i]) for i in range(len(WIDTHS))])
        self.join = _stages(used, [(WIDTHS[i] + SKIPS[i], WIDTHS[i]) for i in range(len(WIDTHS))])
        self.bins = make_bins(config.bins, WIDTHS[QUARTER], config)
        num_heads = max(1, config.scales - 1)  # at 1/2, 1/4, 1/8; full size is the first one enlarged
        widths = () if config.bins else WIDTHS[:num_heads]
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for width in widths)
        self.start_heads(self.heads)

    def encode(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b _ _ _"], ...]:
        """The encoder's five maps, finest first."""
        features, x = [], image
        for stage in (*self.stem, *self.stages):
            x = stage(x)
            features.append(x)
        features[-1] = self.attention(x)
        return tuple(features)

    def decode(self, features: tuple[Float[Tensor, "b _ _ _"], ...]) -> DepthOutput:
        """Answer `config.scales` disparities from five maps of the encoder's sizes."""
        maps = climbed(self.narrow, self.join, features, QUARTER if self.bins is not None else 0)
        if self.bins is not None:
            disp, probabilities = self.bins(maps[0])
            return quarter_output(disp, probabilities, features, self.config.scales)
        return half_output(self.heads, maps, features, self.config.scales)


def _stages(used: range, channels: list[tuple[int, int]]) -> nn.ModuleList:
    """One separable convolution per stage; a stage that is not used keeps its place and has no weights."""
    return nn.ModuleList(separable(*pair) if i in used else nn.Identity() for i, pair in enumerate(channels))


class _Block(nn.Module):
    """Universal inverted bottleneck: depthwise, expansion, depthwise, projection; a sum where shapes fit."""

    def __init__(self, inner: int, out: int, stride: int, expansion: int, before: int, after: int) -> None:
        super().__init__()
        wide = inner * expansion
        layers: list[nn.Module] = []
        if before:
            first_stride = 1 if after else stride
            layers += [_depthwise(inner, before, first_stride), nn.BatchNorm2d(inner)]
        layers.append(_point(inner, wide))
        if after:
            layers += [_depthwise(wide, after, stride), nn.BatchNorm2d(wide), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out)]
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and inner == out

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        """Run the layers."""
        return x + self.layers(x) if self.adds else self.layers(x)


class _Attention(nn.Module):
    """Pre-norm attention and a perceptron over all positions; a depthwise convolution tells the place."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.place = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm, self.norm_mix = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.inputs, self.output = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.mix = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.ReLU(inplace=True), nn.Linear(2 * channels, channels)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Let every position look at all others."""
        b, c, h, w = x.shape
        tokens = (x + self.place(x)).flatten(2).transpose(1, 2)
        parts = self.inputs(self.norm(tokens)).view(b, h * w, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*parts)
        tokens = tokens + self.output(mixed.transpose(1, 2).reshape(b, h * w, c))
        tokens = tokens + self.mix(self.norm_mix(tokens))
        return tokens.transpose(1, 2).reshape(b, c, h, w)


def _stage_8() -> nn.Sequential:
    return nn.Sequential(_conv(32, 96, 2), _point(96, 64))


def _conv(inner: int, out: int, stride: int) -> nn.Sequential:
    """3x3, normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inner, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
    )


def _point(inner: int, out: int) -> nn.Sequential:
    """1x1, normalisation, ReLU."""
    return nn.Sequential(nn.Conv2d(inner, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def _depthwise(channels: int, kernel: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)
