"""A convolutional critic of the transformer's size: what the paper's baseline uses."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lumde.nets.base import Critic, pad_to_multiple
from lumde.registry import Named

WIDTHS = (32, 64, 96, 128, 144)  # one halving each
MULTIPLE = 1 << len(WIDTHS)


class CriticConvolutional(Critic):
    """Five strided 4x4 convolutions with self-attention between the last three, averaged to a score.

    Source: Liu et al. 2019/2020 (Structured KD), arXiv:1903.04197, sec. 3.2; LeakyReLU and 4x4 kernels as in
    its program. No norm layers (a gradient penalty forbids batch statistics), no spectral norm: our choice.
    """

    @dataclass(kw_only=True)
    class Config(Named):
        """Knobs of the convolutional critic."""

        name: str = "critic_convolutional"
        channels: Literal[1, 4] = 1  # of the maps; 4 = depth and RGB
        attention: bool = True

    def __init__(self, config: Config) -> None:
        """Build the blocks."""
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        for index, (a, b) in enumerate(zip((config.channels, *WIDTHS), WIDTHS, strict=False)):
            if config.attention and index >= len(WIDTHS) - 2:
                layers.append(_SelfAttention(a))
            conv = nn.Conv2d(a, b, 4, stride=2, padding=1)
            nn.init.kaiming_normal_(conv.weight, a=0.1)
            layers += [conv, nn.LeakyReLU(0.1)]
        self.layers = nn.Sequential(*layers)
        self.score = nn.Conv2d(WIDTHS[-1], 1, 1)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
        """One unbounded score per map, any size."""
        return self.score(self.layers(pad_to_multiple(maps, MULTIPLE))).mean(dim=(1, 2, 3))


class _SelfAttention(nn.Module):
    """Every place looks at every other; starts as identity. Softmax written out for its second derivative.

    Source: Zhang et al. 2019 (SAGAN), arXiv:1805.08318, sec. 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, channels // 8, 1)
        self.key = nn.Conv2d(channels, channels // 8, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        query, key, value = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=-1)  # [b, places, places]
        return x + self.gain * (value @ weights.transpose(1, 2)).view_as(x)
