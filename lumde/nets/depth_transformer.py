"""A teacher that sees the whole picture at every level: a SegFormer encoder, a convolutional decoder."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from lumde.errors import ConfigError
from lumde.nets.base import DepthNet, climbed, half_output, separable
from lumde.structures import DepthOutput

ENCODERS = {  # channels at 1/4 to 1/32, blocks per level
    "mit_tiny": ((16, 32, 80, 128), (2, 2, 2, 2)),
    "mit_b0": ((32, 64, 160, 256), (2, 2, 2, 2)),
    "mit_b1": ((64, 128, 320, 512), (2, 2, 2, 2)),
}
STEM = 16  # channels of the map at 1/2, which SegFormer lacks
WIDTHS = (24, 48, 64, 96)  # of the decoder's stages 1/2 to 1/16
GROUPS = 8  # of GroupNorm: no statistics of batches anywhere


class DepthTransformer(DepthNet):
    """A SegFormer encoder, which attends over the whole picture at every level, and a thin decoder.

    Without BatchNorm, hence without statistics that `data_free` could use.

    Source: the encoder: Xie et al. 2021, arXiv:2105.15203, as the transformers library builds it; stem and
    decoder are ours.
    """

    @dataclass(kw_only=True)
    class Config(DepthNet.Config):
        """Knobs of the transformer."""

        name: str = "depth_transformer"
        encoder: Literal["mit_tiny", "mit_b0", "mit_b1"] = "mit_b0"

    def __init__(self, config: Config) -> None:
        """Build the network with a random start; ConfigError without the transformers library."""
        super().__init__(config)
        channels, depths = ENCODERS[config.encoder]
        self.stem = nn.Sequential(
            nn.Conv2d(3, STEM, 3, 2, padding=1), nn.GroupNorm(GROUPS, STEM), nn.ReLU(inplace=True)
        )
        self.encoder = _segformer(channels, depths)
        norm = partial(nn.GroupNorm, GROUPS)
        skips = (STEM, *channels[:-1])
        self.narrow = nn.ModuleList(
            separable(a, b, norm) for a, b in zip((*WIDTHS[1:], channels[-1]), WIDTHS, strict=True)
        )
        self.join = nn.ModuleList(separable(a + b, a, norm) for a, b in zip(WIDTHS, skips, strict=True))
        num_heads = max(1, config.scales - 1)  # at 1/2, 1/4, 1/8; full size is the first one enlarged
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for width in WIDTHS[:num_heads])
        self.start_heads(self.heads)

    def encode(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b _ _ _"], ...]:
        """The stem's map and the encoder's four, finest first."""
        maps = self.encoder(image, output_hidden_states=True).hidden_states
        return (self.stem(image), *maps)

    def decode(self, features: tuple[Float[Tensor, "b _ _ _"], ...]) -> DepthOutput:
        """Answer `config.scales` disparities from five maps of the encoder's sizes."""
        maps = climbed(self.narrow, self.join, features)
        return half_output(self.heads, maps, features, self.config.scales)


def _segformer(channels: tuple[int, ...], depths: tuple[int, ...]) -> nn.Module:
    try:
        from transformers import SegformerConfig, SegformerModel
    except ImportError as error:
        raise ConfigError(
            "depth_transformer needs the transformers library: pip install 'lumde[hf]'"
        ) from error
    config = SegformerConfig(hidden_sizes=list(channels), depths=list(depths))
    return SegformerModel(config)  # type: ignore[no-any-return]
