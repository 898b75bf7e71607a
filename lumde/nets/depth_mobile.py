"""Light students: MobileNet encoders and a thin decoder of separable convolutions."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torchvision import models

from lumde.nets.base import DepthNet, fp32_sigmoid_head, separable, tapped_maps
from lumde.nets.weights import load_encoder
from lumde.structures import DepthOutput

ENCODERS = {  # builder, last block at 1/2 to 1/32, their channels; the final 1x1 convolution is dropped
    "mobilenet_v3_large": (models.mobilenet_v3_large, (1, 3, 6, 12, 15), (16, 24, 40, 112, 160)),
    "mobilenet_v3_small": (models.mobilenet_v3_small, (0, 1, 3, 8, 11), (16, 16, 24, 48, 96)),
    "mobilenet_v2": (models.mobilenet_v2, (1, 3, 6, 13, 17), (16, 24, 32, 96, 320)),
}
WIDTHS = {  # decoder channels of stages 0 (full size) to 4 (1/16)
    "small": (8, 16, 24, 40, 64),
    "medium": (8, 16, 32, 64, 128),
    "large": (16, 32, 64, 128, 256),
}


class DepthMobile(DepthNet):
    """A MobileNetV3 or V2 encoder with a separable decoder; `medium` keeps the cost ratios of LUMDE.

    Source: Hu et al. 2022, Appl. Sci. 12(24), 12593, sec. 4.2 tries light encoders; which one and the decoder
    are our choice.
    """

    @dataclass(kw_only=True)
    class Config(DepthNet.Config):
        """Knobs of the light networks."""

        name: str = "depth_mobile"
        encoder: Literal["mobilenet_v3_large", "mobilenet_v3_small", "mobilenet_v2"] = "mobilenet_v3_large"
        size: Literal["small", "medium", "large"] = "medium"  # of the decoder
        weights: str = "none"  # encoder's start: none, imagenet, or the path of a torchvision weight file

        def architecture(self) -> DepthNet.Config:
            """The same network without a start."""
            return replace(super().architecture(), weights="none")

    def __init__(self, config: Config) -> None:
        """Build the network and give the encoder its start."""
        super().__init__(config)
        builder, self.taps, channels = ENCODERS[config.encoder]
        whole = builder(weights=None)
        blocks = whole.features[: self.taps[-1] + 1]
        self.encoder = nn.ModuleDict({"features": nn.Sequential(*blocks)})  # torchvision's names
        load_encoder(self.encoder, config.weights, config.encoder)
        for module in self.encoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.1  # torchvision's 0.01 (V3) lags behind in short trainings
        widths = WIDTHS[config.size]
        skips = (0, *channels[:4])
        self.narrow = nn.ModuleList(
            separable(a, b) for a, b in zip((*widths[1:], channels[-1]), widths, strict=True)
        )
        self.join = nn.ModuleList(separable(a + b, a) for a, b in zip(widths, skips, strict=True))
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for width in widths[: config.scales])
        self.start_heads(self.heads)

    def encode(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b _ _ _"], ...]:
        """The encoder's five maps, finest first."""
        return tapped_maps(self.encoder["features"].children(), image, self.taps)

    def decode(self, features: tuple[Float[Tensor, "b _ _ _"], ...]) -> DepthOutput:
        """Answer `config.scales` disparities from five maps of the encoder's sizes."""
        x = features[-1]
        disps: list[Tensor] = []
        for stage in (4, 3, 2, 1, 0):
            x = F.interpolate(self.narrow[stage](x), scale_factor=2.0, mode="nearest")
            if stage > 0:
                x = torch.cat((x, features[stage - 1]), dim=1)
            x = self.join[stage](x)
            if stage < self.config.scales:
                disps.append(fp32_sigmoid_head(self.heads[stage], x))
        return DepthOutput(disps=tuple(disps[::-1]), features=features)
