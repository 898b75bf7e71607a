"""Random windows of pictures, all of a batch in one shape: cameras of any format from worlds of one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from lumde.structures import WHOLE


def cropped(
    samples: dict[str, Any], shapes: Sequence[tuple[int, int]], zoom: float, random: np.random.Generator
) -> dict[str, Any]:
    """Cut one window out of every sample and resize it; pixels, depth and camera stay consistent.

    Args:
        samples: collated samples (snippets.py); all frames of a snippet get the same window.
        shapes: heights and widths in pixels, of which the batch gets one.
        zoom: the largest factor by which a window is smaller than the largest one of its shape.
        random: source of shape, sizes and places.
    """
    size = shapes[int(random.integers(len(shapes)))]
    count, (height, width) = len(samples["image"]), samples["image"].shape[-2:]
    fitting = min(height / size[0], width / size[1])  # stored pixels per pixel of the largest window
    step = fitting / np.exp(random.uniform(0.0, np.log(zoom), count))
    spans = np.stack([width - step * size[1], height - step * size[0]], 1).clip(0)
    corner = random.uniform(0, 1, (count, 2)) * spans  # of the window, pixels from the picture's corner
    windows = torch.from_numpy(np.concatenate([corner, step[:, None]], 1)).to(samples["intrinsics"])
    grid = _grid(windows, size, (height, width))
    result = {**samples, "intrinsics": _camera(samples["intrinsics"], windows)}
    result["image"] = _sampled(samples["image"], grid)
    if "sources" in samples:
        frames = [_sampled(source, grid) for source in samples["sources"].unbind(1)]
        result["sources"] = torch.stack(frames, 1)
    for name in ("depth", "object_ids"):  # never mixed: between two surfaces is nothing
        if name in samples:
            found = F.grid_sample(samples[name].float(), grid, "nearest", "border", align_corners=False)
            result[name] = found.to(samples[name].dtype)
    for name in samples.keys() & {"mask", "source_masks"}:
        share = F.grid_sample(samples[name].float(), grid, "bilinear", "border", align_corners=False)
        result[name] = share > WHOLE
    return result


def _grid(
    windows: Float[Tensor, "b 3"], size: tuple[int, int], stored: tuple[int, int]
) -> Float[Tensor, "b h w 2"]:
    """Where `grid_sample`, corners not aligned, finds the windows: left, top, step in pixels."""
    axes = []
    for axis, (wanted, length) in enumerate(zip(size[::-1], stored[::-1], strict=True)):
        centres = torch.arange(wanted, device=windows.device) + 0.5
        pixels = windows[:, axis, None] + windows[:, 2, None] * centres
        axes.append(2 * pixels / length - 1)
    x, y = axes
    return torch.stack((x[:, None, :].expand(-1, *size), y[:, :, None].expand(-1, *size)), -1)


def _sampled(images: Tensor, grid: Float[Tensor, "b h w 2"]) -> Tensor:
    """Bilinear samples of uint8 pictures, as uint8."""
    found = F.grid_sample(images.float(), grid, "bilinear", "border", align_corners=False)
    return found.round_().clamp_(0, 255).to(torch.uint8)


def _camera(intrinsics: Float[Tensor, "b 3 3"], windows: Float[Tensor, "b 3"]) -> Float[Tensor, "b 3 3"]:
    """Pixel centres lie at integers: c' = (c + .5 - corner) / step - .5."""
    left, top, step = windows.unbind(1)
    result = intrinsics.clone()
    result[:, :2] = result[:, :2] / step[:, None, None]
    result[:, 0, 2] = (intrinsics[:, 0, 2] + 0.5 - left) / step - 0.5
    result[:, 1, 2] = (intrinsics[:, 1, 2] + 0.5 - top) / step - 0.5
    return result
