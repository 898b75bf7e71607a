"""What cameras add and renderers do not: uneven light, dark corners, blur, noise, a compressed file.

Every function takes pictures in 0..1 [b 3 h w] and draws a strength per picture; all of it is ours.
"""

import numpy as np
import torch
from jaxtyping import Float
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torchvision.io import decode_jpeg, encode_jpeg


def sloped(
    images: Float[Tensor, "b 3 h w"], most: float, random: np.random.Generator
) -> Float[Tensor, "b 3 h w"]:
    """Multiply each picture by a factor that rises exponentially in a direction of its own."""
    count = len(images)
    angle, strength = random.uniform(0, 2 * np.pi, count), random.uniform(0, most, count)
    across, down = (
        torch.from_numpy(strength * wave(angle)).to(images)[:, None, None] for wave in (np.cos, np.sin)
    )
    x, y = (torch.linspace(-1, 1, side).to(images) for side in (images.shape[-1], images.shape[-2]))
    light = torch.exp(across * x[None, None] + down * y[None, :, None])
    return (images * light[:, None]).clamp(0, 1)


def vignetted(
    images: Float[Tensor, "b 3 h w"], most: float, random: np.random.Generator
) -> Float[Tensor, "b 3 h w"]:
    """Darken each picture from its middle by the cosine-fourth law, its corners by up to the share `most`.

    cos(t)^4 = (1 + tan(t)^2)^-2, and tan(t) grows with the distance from the middle.
    """
    lost = torch.from_numpy(random.uniform(0, most, len(images))).to(images)
    steepness = ((1 - lost) ** -0.5 - 1)[:, None, None, None]  # squared tangent of the corner's angle
    height, width = images.shape[-2:]
    x, y = (torch.arange(side).to(images) - (side - 1) / 2 for side in (width, height))
    radius = x**2 + y[:, None] ** 2
    return images * (1 + steepness * (radius / radius.max())) ** -2


def degraded(
    images: Float[Tensor, "b 3 h w"], blur: float, noise: float, random: np.random.Generator
) -> Float[Tensor, "b 3 h w"]:
    """Up to `blur` pixels of Gaussian blur, and noise of a deviation up to `noise`.

    Half of the pictures stay sharp, half clean.
    """
    count = len(images)
    sigmas, deviations = (most * np.maximum(random.uniform(-1, 1, count), 0) for most in (blur, noise))
    if blur:
        sigma = torch.from_numpy(np.maximum(sigmas, 0.05)).to(images)[:, None].expand(-1, 2)
        images = gaussian_blur2d(images, (9, 9), sigma)
    if noise:
        generator = torch.Generator().manual_seed(int(random.integers(1 << 62)))
        grain = torch.randn(images.shape, generator=generator).to(images)
        images = images + grain * torch.from_numpy(deviations).to(images)[:, None, None, None]
    return images.clamp(0, 1)


def compressed(
    images: Float[Tensor, "b 3 h w"], lowest: int, random: np.random.Generator
) -> Float[Tensor, "b 3 h w"]:
    """Write half of the pictures as JPEG, of a quality between `lowest` and 100, and read them again."""
    chosen = np.flatnonzero(random.random(len(images)) < 0.5)
    qualities = random.integers(lowest, 101, len(images))
    result = images.clone()
    for i in chosen:
        pixels = (images[i] * 255).round().to(torch.uint8).cpu()
        result[i] = decode_jpeg(encode_jpeg(pixels, int(qualities[i]))).to(images) / 255
    return result
