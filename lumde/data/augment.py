"""From decoded uint8 samples to the `FrameBatch` that networks see: float, mirrored, colour-jittered.

Works on whole batches on their device. Every random choice is a function of the given seed, and all frames of
a snippet share it: a mirrored target has mirrored sources, and colours change together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import kornia.enhance as enhance
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from lumde.data.crop import cropped
from lumde.data.resize import GREY_WEIGHTS
from lumde.data.sensor import compressed, degraded, sloped, vignetted
from lumde.geometry.camera import flip_intrinsics
from lumde.structures import FrameBatch

_PIXELS = ("image", "sources", "depth", "mask", "source_masks", "object_ids")


@dataclass(kw_only=True)
class AugmentConfig:
    """How strongly training images are changed.

    Source: the defaults of Godard et al. 2019, arXiv:1806.01260, sec. 4.
    """

    flip: float = 0.5  # probability of mirroring a snippet
    jitter: float = 0.5  # probability of changing a snippet's colours
    brightness: float = 0.2  # factors are drawn from [1 - x, 1 + x]
    contrast: float = 0.2
    saturation: float = 0.2
    hue: float = 0.1  # turns, drawn from [-x, x]
    # What rendered pictures lack, for networks that shall work on a sensor's: per sample up to `noise`
    # deviation (of 1) and up to `blur` pixels of Gaussian blur. Ours; sources are left as they are.
    noise: float = 0.0
    blur: float = 0.0
    # Light that falls off across the picture in any direction, by up to a factor of e^x from its middle to an
    # edge: what is bright at the top is not always the sky.
    slope: float = 0.0
    vignette: float = 0.0  # corners lose up to this share of their light
    jpeg: int = 0  # lowest quality, 1 to 100, of half of the pictures; 0 = none is compressed
    grey: float = 0.0  # probability that a snippet loses its colours
    # Windows of these heights and widths, one shape per batch, for networks that shall serve cameras of any
    # format; smaller than the largest window of the shape by up to `zoom`. None = whole pictures. Ours.
    windows: tuple[tuple[int, int], ...] = ()
    zoom: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no probability or would turn colours negative."""
        for name in ("flip", "jitter", "brightness", "contrast", "saturation", "grey"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be within 0..1, found {getattr(self, name)}")
        if not (0 <= self.noise <= 1 and 0 <= self.blur <= 4 and 0 <= self.slope <= 2):
            raise ValueError(
                f"noise 0..1, blur 0..4 pixels, slope 0..2, found {self.noise}, {self.blur}, {self.slope}"
            )
        if not 1 <= self.zoom <= 4 or any(
            not 32 <= side <= 4096 for window in self.windows for side in window
        ):
            raise ValueError(
                f"zoom 1..4 and windows of 32..4096 pixels, found {self.zoom} and {self.windows}"
            )
        if not (0 <= self.jpeg <= 100 and 0 <= self.vignette < 1):
            raise ValueError(
                f"jpeg 0..100 and vignette from 0 to below 1, found {self.jpeg} and {self.vignette}"
            )
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"hue must be within 0..0.5 turns, found {self.hue}")


@dataclass
class Colours:
    """One draw of colour changes: a factor per sample, one order of operations for the batch."""

    chosen: Bool[np.ndarray, " b"]  # samples that change at all
    factors: dict[str, Float[np.ndarray, " b"]]  # hue in turns, the others as multipliers
    order: tuple[str, ...]


def to_batch(
    samples: dict[str, Any],
    config: AugmentConfig | None,
    seed: Sequence[int],
    offsets: tuple[int | str, ...] = (),
) -> FrameBatch:
    """Turn collated samples (snippets.py) into a batch, augmented unless `config` is None.

    Args:
        samples: uint8 images and float32 companions, all on one device.
        config: probabilities and strengths; None leaves everything as recorded.
        seed: non-negative integers, e.g. (run seed, step): the same seed gives the same batch.
        offsets: what the sources are, in their order.
    """
    random = np.random.default_rng(tuple(seed))
    flipped = None
    if config is not None:
        if config.windows:
            samples = cropped(samples, config.windows, config.zoom, random)
        flipped = random.random(len(samples["image"])) < config.flip
        samples = _mirrored(samples, np.flatnonzero(flipped))
    image = _unit(samples["image"])
    sources = _unit(samples["sources"]) if "sources" in samples else None
    masks = samples.get("source_masks")
    batch = FrameBatch(
        image=image,
        jittered=image,
        intrinsics=samples["intrinsics"],
        sources=sources,
        sources_jittered=sources,
        offsets=offsets if sources is not None else (),
        source_from_target=samples.get("source_from_target"),
        depth=samples.get("depth"),
        mask=samples.get("mask"),
        source_masks=None if masks is None or masks.all() else masks,
        object_ids=samples.get("object_ids"),
        flipped=None if flipped is None else torch.from_numpy(flipped).to(image.device),
        keys=tuple(samples["key"]),
    )
    if config is not None:
        _photograph(batch, config, random)
    return batch


def _photograph(batch: FrameBatch, config: AugmentConfig, random: np.random.Generator) -> None:
    """Change what the networks see, in the order in which light, lens, sensor and file would."""
    count = len(batch.image)
    _jitter(batch, _draw_colours(config, count, random))
    if config.slope:
        batch.jittered = sloped(batch.jittered, config.slope, random)
    if config.vignette:
        batch.jittered = vignetted(batch.jittered, config.vignette, random)
    if config.grey:
        _fade(batch, random.random(count) < config.grey)
    if config.noise or config.blur:
        batch.jittered = degraded(batch.jittered, config.blur, config.noise, random)
    if config.jpeg:
        batch.jittered = compressed(batch.jittered, config.jpeg, random)


def jitter_images(images: Float[Tensor, "b s 3 h w"], colours: Colours) -> Float[Tensor, "b s 3 h w"]:
    """Change the colours of the chosen samples, all `s` frames of one alike.

    The operations are those of torchvision's ColorJitter, which Monodepth2 uses: brightness scales, contrast
    is about the frame's mean, saturation about its grey version, hue turns; each clamps to [0, 1]. Their
    order is drawn once per batch, not per image (ours).
    """
    index = torch.from_numpy(np.flatnonzero(colours.chosen)).to(images.device)
    count = images.shape[1]
    frames = images[index].flatten(0, 1)
    for name in colours.order:
        per_sample = torch.from_numpy(colours.factors[name][colours.chosen]).to(frames)
        frames = _OPERATIONS[name](frames, per_sample.repeat_interleave(count))
    return images.index_copy(0, index, frames.unflatten(0, (-1, count)))


def _unit(images: UInt8[Tensor, "*b 3 h w"]) -> Float[Tensor, "*b 3 h w"]:
    return images.to(torch.float32).div_(255)


def _mirrored(samples: dict[str, Any], chosen: Int[np.ndarray, " n"]) -> dict[str, Any]:
    """Mirror the chosen samples; pixels, cameras and motions stay consistent."""
    index = torch.from_numpy(chosen).to(samples["image"].device)
    sign = torch.tensor([-1.0, 1.0, 1.0, 1.0], device=index.device)
    width = samples["image"].shape[-1]
    changes: dict[str, Callable[[Tensor], Tensor]] = {
        **dict.fromkeys(_PIXELS, lambda pixels: pixels.flip(-1)),
        "intrinsics": lambda intrinsics: flip_intrinsics(intrinsics, width),
        "source_from_target": lambda motion: sign[:, None] * motion * sign,  # M T M, M = diag(-1, 1, 1, 1)
    }
    result = dict(samples)
    for name in changes.keys() & samples.keys():
        result[name] = samples[name].index_copy(0, index, changes[name](samples[name][index]))
    return result


def _draw_colours(config: AugmentConfig, count: int, random: np.random.Generator) -> Colours:
    chosen = random.random(count) < config.jitter
    spans = {"brightness": config.brightness, "contrast": config.contrast, "saturation": config.saturation}
    factors = {name: random.uniform(1 - x, 1 + x, count) for name, x in spans.items()}
    factors["hue"] = random.uniform(-config.hue, config.hue, count)
    names = sorted(factors)
    return Colours(chosen, factors, tuple(names[i] for i in random.permutation(len(names))))


def _jitter(batch: FrameBatch, colours: Colours) -> None:
    if not colours.chosen.any():
        return
    images = batch.image[:, None]
    if batch.sources is not None:
        images = torch.cat([images, batch.sources], dim=1)
    jittered = jitter_images(images, colours)
    batch.jittered = jittered[:, 0]
    if batch.sources is not None:
        batch.sources_jittered = jittered[:, 1:]


def _fade(batch: FrameBatch, chosen: Bool[np.ndarray, " b"]) -> None:
    """Take the colours out of the chosen samples, as their networks see them."""
    index = torch.from_numpy(np.flatnonzero(chosen)).to(batch.image.device)
    for name in ("jittered", "sources_jittered"):
        images = getattr(batch, name)
        if images is not None:
            weights = images.new_tensor(GREY_WEIGHTS).view(3, 1, 1)
            grey = (images[index] * weights).sum(-3, keepdim=True).expand_as(images[index])
            setattr(batch, name, images.index_copy(0, index, grey))


def _turn_hue(images: Float[Tensor, "n 3 h w"], turns: Float[Tensor, " n"]) -> Float[Tensor, "n 3 h w"]:
    """Turn the hue at constant HSV saturation and value: kornia's `adjust_hue`, several times as fast."""
    value = images.amax(1)
    chroma = value - images.amin(1)
    red, green, blue = images.unbind(1)
    scale = 1 / chroma.clamp_min(1e-8)  # hue in sixths of a turn; grey has none
    hue = torch.where(green == value, 2 + (blue - red) * scale, 4 + (red - green) * scale)
    hue = torch.where(red == value, (green - blue) * scale, hue) + 6 * turns[:, None, None]
    sixths = (hue[:, None] + hue.new_tensor([5.0, 3.0, 1.0]).view(1, 3, 1, 1)).remainder_(6)
    share = torch.minimum(sixths, 4 - sixths).clamp_(0, 1)
    return value[:, None] - chroma[:, None] * share


_OPERATIONS = {
    "brightness": enhance.adjust_brightness_accumulative,
    "contrast": enhance.adjust_contrast_with_mean_subtraction,
    "saturation": enhance.adjust_saturation_with_gray_subtraction,
    "hue": _turn_hue,
}
