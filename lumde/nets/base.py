"""What every network of the zoo promises, and the few operations that all of them share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lumde.geometry.depth import depth_to_disp, disp_to_depth
from lumde.registry import Named
from lumde.structures import DepthOutput

MAX_SCALES = 4
STRIDE = 32  # of an encoder's deepest map: pictures are padded to multiples of it


class DepthNet(nn.Module, ABC):
    """An image goes in, sigmoid disparities of its own size come out."""

    multiple: ClassVar[int] = STRIDE  # inputs are padded to it
    strides: ClassVar[tuple[int, ...]] = (2, 4, 8, 16, STRIDE)  # of the encoder's maps
    smallest: ClassVar[int] = STRIDE  # and to at least this side, in pixels

    @dataclass(kw_only=True)
    class Config(Named):
        """What every depth network can be told."""

        min_depth: float = 0.1  # metres (or units of the unscaled world), > 0
        max_depth: float = 100.0  # > min_depth
        scales: int = MAX_SCALES  # disparities answered: full size, 1/2, 1/4, 1/8
        start_depth: float = 0.0  # what the untrained network answers everywhere; 0 = a sigmoid of 1/2
        init: str | None = None  # model folder whose weights are the start (models.build_net)

        @property
        def limits(self) -> tuple[float, float]:
            """Nearest and farthest depth."""
            return self.min_depth, self.max_depth

        def __post_init__(self) -> None:
            if not 0 < self.min_depth < self.max_depth < float("inf"):
                raise ValueError(
                    f"0 < min_depth < max_depth needed, found {self.min_depth}, {self.max_depth}"
                )
            if self.start_depth and not self.min_depth < self.start_depth < self.max_depth:
                raise ValueError(
                    f"start_depth: 0, or from {self.min_depth} to {self.max_depth}, found {self.start_depth}"
                )
            if not 1 <= self.scales <= MAX_SCALES:
                raise ValueError(f"scales: 1 to {MAX_SCALES}, found {self.scales}")

        def architecture(self) -> Any:  # of the same class; beartype does not know Self outside classes
            """The same network without a start: what is stored beside trained weights."""
            return replace(self, init=None, start_depth=0.0)

    def __init__(self, config: Config) -> None:
        """Keep the config: it travels with the weights."""
        super().__init__()
        self.config = config

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> DepthOutput:
        """Predict disparities; any size of at least one pixel (padded inside, cropped back)."""
        h, w = image.shape[-2:]
        padded = pad_to_multiple(image, self.multiple, self.smallest)
        output = self.predict(normalised(padded))
        if padded.shape != image.shape:
            output.disps = tuple(
                disp[..., : -(-h // (1 << scale)), : -(-w // (1 << scale))]
                for scale, disp in enumerate(output.disps)
            )
        return output

    def start_heads(self, heads: Iterable[nn.Module]) -> None:
        """Give fresh heads the bias of `config.start_depth`.

        With motion in metres (recorded poses, measured depth) a start at the middle of the sigmoid would put
        everything at arm's length, where warped pictures have nothing in common with the target.
        """
        if not self.config.start_depth:
            return
        start = torch.full((1, 1), self.config.start_depth)
        disp = depth_to_disp(start, self.config.min_depth, self.config.max_depth)
        for head in heads:
            last = [layer for layer in head.modules() if isinstance(layer, nn.Conv2d)][-1]
            assert last.bias is not None
            nn.init.constant_(last.bias, float(torch.logit(disp)))

    def predict(self, image: Float[Tensor, "b 3 h w"]) -> DepthOutput:
        """Answer for a normalised image, sides multiples of `multiple`; disp k has 1/2^k of its size."""
        return self.decode(self.encode(image))

    @abstractmethod
    def encode(self, image: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b _ _ _"], ...]:
        """Five maps of a normalised image, finest first, each at 1/stride (`strides`) of its size."""

    @abstractmethod
    def decode(self, features: tuple[Float[Tensor, "b _ _ _"], ...]) -> DepthOutput:
        """`config.scales` disparities, finest first, from maps like those of `encode`."""

    def depth(self, disp: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b h w"]:
        """Depth in the network's range from its sigmoid output."""
        return disp_to_depth(disp, self.config.min_depth, self.config.max_depth)


class PoseNet(nn.Module, ABC):
    """Two images in temporal order go in, the camera motion between them comes out."""

    @dataclass(kw_only=True)
    class Config(Named):
        """What every pose network can be told."""

        init: str | None = None  # model folder whose pose.safetensors is the start (models.build_pose_net)

    def __init__(self, config: Config) -> None:
        """Keep the config."""
        super().__init__()
        self.config = config

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


def normalised(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Centre and scale RGB in [0, 1]; one pair of constants for all channels, as Monodepth2 does."""
    return (image - 0.45) / 0.225


def pad_to_multiple(
    image: Float[Tensor, "b c h w"], multiple: int, smallest: int = 1
) -> Float[Tensor, "b c h2 w2"]:
    """Repeat the last row and column until both sides are multiples of `multiple`, at least `smallest`."""
    h, w = image.shape[-2:]
    bottom, right = (max(-(-side // multiple) * multiple, smallest) - side for side in (h, w))
    return F.pad(image, (0, right, 0, bottom), mode="replicate") if bottom or right else image


def fp32_sigmoid_head(head: nn.Module, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h2 w2"]:
    """Run a disparity head in fp32 even under autocast: bf16 makes steps of up to 1.4 % in depth."""
    with torch.autocast(device_type=features.device.type, enabled=False):
        return torch.sigmoid(head(features.float()))


def pooled_motion(values: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b 3"], Float[Tensor, "b 3"]]:
    """Average a pose map over its pixels and answer its first motion (axis-angle, translation), fp32.

    The factor 0.01 keeps the first motions of an untrained network close to standing still.

    Source: Godard et al. 2019, arXiv:1806.01260 (its program; the paper does not tell the factor).
    """
    motion = 0.01 * values.float().mean(dim=(2, 3))
    return motion[:, :3], motion[:, 3:6]


def tapped_maps(
    blocks: Iterable[nn.Module], image: Float[Tensor, "b 3 h w"], taps: Collection[int]
) -> tuple[Float[Tensor, "b _ _ _"], ...]:
    """Run blocks one after the other and keep what those numbered in `taps` answer."""
    maps, x = [], image
    for index, block in enumerate(blocks):
        x = block(x)
        if index in taps:
            maps.append(x)
    return tuple(maps)


def climbed(
    narrow: nn.ModuleList, join: nn.ModuleList, features: tuple[Float[Tensor, "b _ _ _"], ...], last: int = 0
) -> list[Float[Tensor, "b _ _ _"]]:
    """The decoder's maps at stage `last` (0 = 1/2) to 1/16: narrow, double, join the encoder's map."""
    maps: list[Tensor] = []
    x = features[-1]
    for stage in range(len(join) - 1, last - 1, -1):
        x = F.interpolate(narrow[stage](x), scale_factor=2.0, mode="nearest")
        x = join[stage](torch.cat((x, features[stage]), dim=1))
        maps.append(x)
    return maps[::-1]


def half_output(
    heads: nn.ModuleList,
    maps: list[Float[Tensor, "b _ _ _"]],
    features: tuple[Float[Tensor, "b _ _ _"], ...],
    scales: int,
) -> DepthOutput:
    """The answer of a decoder that stops at half size: heads at 1/2, 1/4, ..., the first one enlarged."""
    disps = [fp32_sigmoid_head(head, x) for head, x in zip(heads, maps, strict=False)]
    full = F.interpolate(disps[0], scale_factor=2.0, mode="bilinear", align_corners=False)
    return DepthOutput(disps=(full, *disps)[:scales], features=features)


def with_coarser(
    disps: Iterable[Float[Tensor, "b 1 _ _"]], scales: int
) -> tuple[Float[Tensor, "b 1 _ _"], ...]:
    """`scales` disparities, finest first: those given, then averages of the last one."""
    found = list(disps)
    while len(found) < scales:
        found.append(F.avg_pool2d(found[-1], 2))
    return tuple(found[:scales])


def separable(
    channels_in: int, channels: int, norm: Callable[[int], nn.Module] = nn.BatchNorm2d
) -> nn.Sequential:
    """Depthwise 3x3, pointwise, normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, 3, padding=1, groups=channels_in, bias=False),
        nn.Conv2d(channels_in, channels, 1, bias=False),
        norm(channels),
        nn.ReLU(inplace=True),
    )
