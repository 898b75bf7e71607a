"""Pictures as users hold them -> what the network reads. Wrong kinds and ranges are refused."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from lumde.errors import DataError
from lumde.media.images import rgb, upright

Picture = UInt8[np.ndarray, "h w 3"] | Float[np.ndarray, "h w 3"]


def image_array(image: Image.Image | np.ndarray | Tensor) -> Picture:
    """Turn a PIL image, an array [h, w, 3] or [h, w], or a tensor [3, h, w] or [1, 3, h, w] into RGB.

    Returns:
        uint8, or float32 in [0, 1].

    Raises:
        DataError: another shape or type, floats outside [0, 1] or not finite.
    """
    if isinstance(image, Image.Image):
        return rgb(upright(image))
    array = _channels_last(image) if isinstance(image, Tensor) else np.asarray(image)
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise DataError(f"picture of shape {array.shape}: [h, w, 3] RGB is needed")
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise DataError(f"picture of type {array.dtype}: uint8, or floats in [0, 1], are needed")
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
        raise DataError(
            f"picture of floats from {array.min():g} to {array.max():g}: divide so that they lie in [0, 1]"
        )
    return array.astype(np.float32)


def image_tensor(image: Picture) -> Float[Tensor, "1 3 h w"]:
    """RGB array -> tensor in [0, 1]."""
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    return tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor


def _channels_last(image: Tensor) -> np.ndarray:
    if image.dim() == 4 and image.shape[0] == 1:
        image = image[0]
    if image.dim() != 3 or image.shape[0] != 3:
        raise DataError(
            f"tensor of shape {tuple(image.shape)}: one picture [3, h, w] or [1, 3, h, w] is needed"
        )
    if image.dtype == torch.bfloat16:
        image = image.float()
    return image.detach().cpu().permute(1, 2, 0).numpy()
