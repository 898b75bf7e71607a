"""What every network of the zoo promises."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lumde.geometry.depth import disp_to_depth
from lumde.registry import Named
from lumde.structures import DepthOutput


class DepthNet(nn.Module, ABC):
    """An image goes in, sigmoid disparities of its own size come out."""

    multiple: ClassVar[int] = 32  # the encoder's total stride: inputs are padded to it

    @dataclass(kw_only=True)
    class Config(Named):
        """Depth range shared by every depth network."""

        min_depth: float = 0.1  # metres (or units of the unscaled world), > 0
        max_depth: float = 100.0  # > min_depth

        def __post_init__(self) -> None:
            if not 0 < self.min_depth < self.max_depth:
                raise ValueError(f"0 < min_depth < max_depth needed, found {self.min_depth}, {self.max_depth}")

    def __init__(self, config: Config) -> None:
        """Keep the config: it travels with the weights."""
        super().__init__()
        self.config = config

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> DepthOutput:
        """Predict disparities; any size of at least one pixel (padded inside, cropped back)."""
        h, w = image.shape[-2:]
        bottom, right = -h % self.multiple, -w % self.multiple
        if bottom or right:
            image = F.pad(image, (0, right, 0, bottom), mode="replicate")
        output = self.predict((image - 0.45) / 0.225)
        if bottom or right:
            output.disps = tuple(
                disp[..., : -(-h // (1 << scale)), : -(-w // (1 << scale))] for scale, disp in enumerate(output.disps)
            )
        return output

    @abstractmethod
    def predict(self, image: Float[Tensor, "b 3 h w"]) -> DepthOutput:
        """Answer for a normalised image whose sides are multiples of `multiple`; disp k has 1/2^k of its size."""

    def depth(self, disp: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b h w"]:
        """Depth in the network's range from its sigmoid output."""
        return disp_to_depth(disp, self.config.min_depth, self.config.max_depth)


class PoseNet(nn.Module, ABC):
    """Two images in temporal order go in, the camera motion between them comes out."""

    @abstractmethod
    def forward(
        self, first: Float[Tensor, "b 3 h w"], second: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b 3"], Float[Tensor, "b 3"]]:
        """Answer (axis_angle in radians, translation) of the transform second_from_first, fp32."""


class Critic(nn.Module, ABC):
    """Scores whole depth maps: high for what looks like the teacher's."""

    @abstractmethod
    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
        """One unbounded score per map; no batch statistics inside (gradient penalty)."""


def fp32_sigmoid_head(head: nn.Module, features: Tensor) -> Tensor:
    """Run a disparity head in fp32 even under autocast: bf16 makes steps of up to 1.4 % in depth."""
    with torch.autocast(device_type=features.device.type, enabled=False):
        return torch.sigmoid(head(features.float()))
