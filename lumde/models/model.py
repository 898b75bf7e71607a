"""A depth network with its input size, unit and preprocessing: what is saved, loaded and asked for depth."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from lumde.media.camera_checks import focal_and_centre
from lumde.media.cameras import Camera, assumed_camera, fitted
from lumde.media.sources import Source, VideoSource, image_camera, open_source
from lumde.models.inputs import Picture, image_array, image_tensor
from lumde.nets import DEPTH_NETS
from lumde.nets.base import DepthNet
from lumde.registry import choice
from lumde.structures import Unit

FORMAT = 1  # of the model folder
MAX_SIDE = 8192  # pixels of an input
_NEAR = 1.25  # sides by which a picture may differ from the wanted area, if it needs no resizing then
_FIT = 32  # pixels: sides of inputs that keep their shape are multiples of it
ImageLike = Image.Image | np.ndarray | Tensor


def require_format(found: Any) -> None:
    """Raise ValueError for a model folder of another format."""
    if found != FORMAT:
        raise ValueError(f"format {found!r}, this version reads {FORMAT}; use the lumde that wrote it")


@dataclass(kw_only=True)
class ModelConfig:
    """What `config.json` of a model folder says."""

    format: int = FORMAT
    net: DepthNet.Config = choice(DEPTH_NETS)
    height: int  # pixels, rows of the network's input
    width: int  # pixels
    # stretch: every picture becomes height x width. area: it keeps its shape and becomes about as many
    # pixels, for networks that learned from cameras of many kinds; side: it keeps its shape and its shorter
    # side becomes the shorter one of height and width. Both round sides to multiples of 32.
    fit: Literal["stretch", "area", "side"] = "stretch"
    unit: Unit = "relative"  # of depth; relative = up to one unknown factor
    affine: bool = False  # disparity is right only up to a factor and a shift: what is flat may come out bent
    training: dict[str, Any] = field(default_factory=dict)  # facts about how the weights came to be

    def __post_init__(self) -> None:
        require_format(self.format)
        if not (1 <= self.height <= MAX_SIDE and 1 <= self.width <= MAX_SIDE):
            raise ValueError(f"height and width: 1 to {MAX_SIDE}, found {self.height} and {self.width}")


@dataclass(frozen=True)
class DepthResult:
    """Depth of one picture, at the picture's size."""

    depth: Float[np.ndarray, "h w"]  # along z, in `unit`
    disparity: Float[np.ndarray, "h w"]  # 1 / depth
    unit: Unit
    intrinsics: tuple[float, float, float, float]  # fx, fy, cx, cy in pixels of the source
    intrinsics_source: str  # where they come from; starts with "assumed" when nobody measured them
    name: str = ""
    timestamp: float | None = None  # seconds, of video frames
    damaged: bool = False  # the decoder reported damage in this frame


class DepthModel(nn.Module):
    """A network and what belongs to it. Give it pictures of any size and kind."""

    def __init__(self, config: ModelConfig, net: DepthNet) -> None:
        """Join the two; `save` writes both."""
        super().__init__()
        self.config = config
        self.net = net

    def forward(self, images: Float[Tensor, "b 3 _ _"]) -> Float[Tensor, "b 1 h w"]:
        """Same as `disparity`."""
        return self.disparity(images)

    def disparity(self, images: Float[Tensor, "b 3 _ _"]) -> Float[Tensor, "b 1 h w"]:
        """Predict inverse depth (1 / unit) at the network's input size, fp32; gradients pass.

        Args:
            images: RGB in [0, 1], any size, on the model's device.
        """
        return 1.0 / self.net.depth(self.net(self.resized(images)).disp)

    def resized(self, images: Float[Tensor, "b 3 _ _"]) -> Float[Tensor, "b 3 h w"]:
        """Bring images to the network's input size: bilinear, antialiased, half-pixel, as in training."""
        size = self.input_size(images.shape[-2], images.shape[-1])
        return resize_pictures(images, size)

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns that the network sees of a picture of this size; asked of its answer, the same."""
        config = self.config
        if config.fit == "stretch":
            return config.height, config.width
        if config.fit == "side":
            scale = min(config.height, config.width) / min(height, width)
        else:
            scale = (config.height * config.width / (height * width)) ** 0.5
        if height % _FIT == width % _FIT == 0 and 1 / _NEAR < scale < _NEAR:
            return height, width
        rows, columns = (max(1, round(side * scale / _FIT)) * _FIT for side in (height, width))
        return min(rows, MAX_SIDE), min(columns, MAX_SIDE)

    def predict(
        self, source: str | Path | ImageLike, camera: Camera | None = None
    ) -> DepthResult | Iterator[DepthResult]:
        """Predict depth at the source's resolution. Switches the model to evaluation mode.

        Args:
            source: path of an image, folder, glob or video; or one picture: PIL, array [h, w, 3] (uint8, or
                float in [0, 1]), tensor [3, h, w] or [1, 3, h, w] (likewise).
            camera: of the source, where it is known; it only travels along to the results.

        Returns:
            One result for one picture, else a generator: memory stays flat however long the source is.

        Raises:
            DataError: the source cannot be read.
        """
        self.eval()
        if not isinstance(source, str | Path):
            image = image_array(source)
            height, width = image.shape[:2]
            return self._result(
                image, fitted(camera, width, height, "camera") if camera else assumed_camera(width, height)
            )
        opened = open_source(source)
        results = self._results(opened, camera)
        return next(results) if opened.kind == "image" else results

    def _results(self, source: Source | VideoSource, camera: Camera | None) -> Iterator[DepthResult]:
        guess = camera or source.camera()
        for frame in source.frames():
            assert frame.image is not None  # only `skip_broken` lets frames without image through
            height, width = frame.image.shape[:2]
            if camera is None and frame.path is not None:
                guess = image_camera(frame.path)  # pictures of one folder may come from several cameras
            facts = {"name": frame.name, "timestamp": frame.timestamp, "damaged": frame.damaged}
            yield self._result(frame.image, fitted(guess, width, height, str(frame.path or "video")), **facts)

    @torch.inference_mode()
    def _result(self, image: Picture, camera: Camera, **facts: Any) -> DepthResult:
        device = next(self.net.parameters()).device
        small = self.disparity(image_tensor(image).to(device))
        disparity = resize_disparity(small, image.shape[:2])[0, 0].cpu().numpy()
        fx, fy, cx, cy = focal_and_centre(camera.intrinsics)
        return DepthResult(
            depth=1.0 / disparity,
            disparity=disparity,
            unit=self.config.unit,
            intrinsics=(fx, fy, cx, cy),
            intrinsics_source=camera.source,
            **facts,
        )


def resize_pictures(images: Float[Tensor, "b 3 _ _"], size: tuple[int, int]) -> Float[Tensor, "b 3 h w"]:
    """Resize RGB in [0, 1] bilinearly, antialiased, half-pixel centres: as networks see pictures."""
    if images.shape[-2:] == size:
        return images
    resized = F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
    return resized.clamp(0.0, 1.0)


def resize_disparity(disparity: Float[Tensor, "b 1 _ _"], size: tuple[int, int]) -> Float[Tensor, "b 1 h w"]:
    """Resize inverse depth bilinearly, half-pixel centres; inverting comes after, as in published figures."""
    if disparity.shape[-2:] == size:
        return disparity
    return F.interpolate(disparity, size, mode="bilinear", align_corners=False)
