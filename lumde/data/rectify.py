"""Distorted pictures to pinhole pictures of the wanted size, with the camera that then holds."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from kornia.geometry.calibration import distort_points
from torch import Tensor

from lumde.data.resize import resize_image, resize_mask
from lumde.media.cameras import Camera, scaled


class Rectifier:
    """Undistorts (focal length and centre are kept), then resizes.

    The sampling positions are computed once: at 1280x720 a frame takes 0.1 s on one core, kornia's
    `undistort_image`, which computes them again for each picture, 0.4 s.
    """

    camera: Camera  # of the pictures answered, without distortion
    mask: Bool[np.ndarray, "h w"] | None = None  # False where the lens did not see; None: it saw everything

    def __init__(self, camera: Camera, size: tuple[int, int] | None = None) -> None:
        """Prepare for pictures of `camera` (its size must be known), answered at `size` = (width, height)."""
        self.size = size or camera.size
        self.camera = scaled(replace(camera, distortion=(), baseline=None), *self.size)
        self.grid: Float[Tensor, "1 h w 2"] | None = None
        if camera.distorted:
            self.grid, seen = _sampling(camera)
            mask = resize_mask(seen, self.size[::-1])[0].numpy()
            self.mask = None if mask.all() else mask
        self.keeps_pixels = self.grid is None and self.size == camera.size

    def __call__(self, image: UInt8[np.ndarray, "_ _ 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """Answer the pinhole picture."""
        if self.grid is not None:
            channels = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))
            straight = F.grid_sample(channels, self.grid, padding_mode="border", align_corners=True)
            image = straight[0].round().to(torch.uint8).permute(1, 2, 0).numpy()
        return np.ascontiguousarray(resize_image(image, self.size[::-1]).permute(1, 2, 0).numpy())


def _sampling(camera: Camera) -> tuple[Float[Tensor, "1 h w 2"], Bool[np.ndarray, "h w"]]:
    """Tell where each pinhole pixel lies in the distorted picture, and where that picture shows it.

    Where a distortion polynomial stops growing it folds the picture back; such pixels are not seen.
    """
    width, height = camera.size
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    pixels = torch.stack([x, y], dim=-1)
    intrinsics, distortion = torch.from_numpy(camera.intrinsics), torch.tensor(camera.distortion).double()
    where = distort_points(pixels.reshape(1, -1, 2).double(), intrinsics[None], distortion[None])
    where = where.reshape(height, width, 2)
    last = torch.tensor([width - 1, height - 1])
    inside = ((where >= 0) & (where <= last)).all(dim=-1).numpy()
    across, down = (np.gradient(where[..., i].numpy(), axis=1 - i) for i in (0, 1))
    return (2 * where / last - 1)[None].float(), inside & (across > 0) & (down > 0)
