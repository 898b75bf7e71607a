"""Between a world and its picture: shine on smooth surfaces, haze in the air, a camera's exposure."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from lumde.worlds.motion import MAX_FRAMES
from lumde.worlds.planes import Planes
from lumde.worlds.scene import Light, World

HAZE, FOG = (0.02, 0.5), (0.6, 1.5)  # extinction over the distance of the middle of a scene
_FAR = np.float32(1e5)  # metres, beyond everything

# How strongly a texture shines, 0 to 1; what is not named is dull.
SHINE = {
    "floor": 0.25,
    "wood": 0.25,
    "board": 0.35,
    "plain": 0.5,
    "books": 0.1,
    "poster": 0.4,
    "screen": 0.5,
    "window": 0.5,
    "door": 0.3,
    "pole": 0.4,
    "sign": 0.3,
    "road": 0.1,
    "body": 0.6,
    "glass": 0.6,
}


@dataclass(frozen=True)
class Look:
    """One clip's shine, haze and exposure. What lens, sensor and file add is augmentation."""

    shine: Float[np.ndarray, " textures"]  # highlight of each texture, share of full scale
    contrast: Float[np.ndarray, " textures"]  # of each texture about its mean, 1 = as it was painted
    sharpness: float  # exponent of the highlight: 8 = silk, 80 = lacquer
    haze: float  # extinction per metre
    haze_colour: Float[np.ndarray, " 3"]  # 0-255
    exposure: Float[np.ndarray, " n"]  # gain of every frame, on top of the camera's metering
    metered: float  # mean grey value that the camera aims at, 0-255
    metering: float  # how far it goes there, 0 = a fixed exposure, 1 = all the way
    tone: float  # exponent of the tone curve: below 1 lifts the shadows, above 1 deepens them
    knee: float  # grey value from which highlights are compressed, 0-255; 255 = clipped instead


def make_look(world: World) -> Look:
    """Draw a look by the world's seed; haze thickens over its own distances, be it a table or a street."""
    rng, textures = np.random.default_rng((world.seed, 1)), world.atlas.names
    middles = world.surfaces.corners[world.backdrop :].mean(1) - world.world_from_camera[0, :3, 3]
    view = float(np.median(np.linalg.norm(middles, axis=1)))
    shine = np.array([SHINE.get(name, 0.0) for name in textures]) * rng.uniform(0.0, 1.0)
    clear = rng.random() < (0.9 if world.indoors else 0.5) and not world.fog
    thin, thick = FOG if world.fog else HAZE
    haze = 0.0 if clear else float(np.exp(rng.uniform(np.log(thin), np.log(thick)))) / view
    frames = np.arange(MAX_FRAMES)
    wave = np.sin(frames * (2 * np.pi / rng.uniform(15.0, 60.0)) + rng.uniform(0, 2 * np.pi))
    drift = rng.uniform(0, 0.12) * wave
    return Look(
        shine=shine.astype(np.float32),
        contrast=_contrast(world),
        sharpness=float(np.exp(rng.uniform(np.log(8.0), np.log(80.0)))),
        haze=haze,
        haze_colour=(rng.uniform(150, 250) * (1 + rng.normal(0, 0.04, 3))).astype(np.float32),
        exposure=np.exp(rng.normal(0.08, 0.25) + drift),
        metered=float(rng.uniform(90.0, 165.0)),
        metering=float(rng.uniform(0.5, 1.0)),
        tone=float(rng.uniform(0.7, 1.7)),
        knee=float(rng.uniform(100.0, 255.0)),
    )


def _contrast(world: World) -> Float[np.ndarray, " textures"]:
    """Half of the textures as they were painted, half calmer: real floors and roads are often plain."""
    rng, names = np.random.default_rng((world.seed, 3)), np.array(world.atlas.names)
    drawn = np.where(rng.random(len(names)) < 0.5, 1.0, rng.uniform(0.1, 1.0, len(names)))
    return np.where(names == "sky", 1.0, drawn)


def highlight(
    look: Look,
    light: Light,
    texture: Int[np.ndarray, " k"],
    planes: Planes,
    rays: Float[np.ndarray, "r 3"],
    seen: Int[np.ndarray, " r"],
    lit: Float[np.ndarray, " r"],
) -> Float[np.ndarray, "r 4"]:
    """Light that is mirrored towards the eye, 0-255; `seen` tells which of the k surfaces each ray meets.

    Source: Phong 1975, "Illumination for computer generated pictures"; what shines, and how much, is ours.
    """
    added = np.zeros((len(rays), 4), np.float32)
    shiny = np.flatnonzero((look.shine[texture] > 0)[seen] & (lit > 0))
    if not len(shiny):
        return added
    towards, normal = light.towards_sun.astype(np.float32), planes.normal.astype(np.float32)
    mirrored = 2 * (towards @ normal) * normal - towards[:, None]  # the sign of the normal drops out
    ray, mirror = rays[shiny].T, mirrored[:, seen[shiny]]
    along = -(ray * mirror).sum(0) / np.sqrt((ray * ray).sum(0))
    gain = look.shine[texture][seen[shiny]] * np.clip(along, 0, 1) ** np.float32(look.sharpness)
    added[shiny, :3] = 255 * gain[:, None] * light.sun.astype(np.float32)
    return added


def hazed(
    look: Look, colour: Float[np.ndarray, "r c"], depth: Float[np.ndarray, " r"]
) -> Float[np.ndarray, "r c"]:
    """Mix the haze's colour in by Beer-Lambert's law; a ray that met nothing has no depth, and no haze."""
    through = np.exp(np.float32(-look.haze) * np.clip(depth, 0, _FAR))[:, None]
    colour[:, :3] = colour[:, :3] * through + look.haze_colour * (1 - through)
    return colour


def exposed(look: Look, image: Float[np.ndarray, "p 3"], frame: int) -> Float[np.ndarray, "p 3"]:
    """Apply the tone curve, the gain that metering and drift give this frame, and the curve's shoulder.

    What is beyond the knee approaches white exponentially; a knee at white leaves it to be clipped.
    """
    toned = 255 * (image * np.float32(1 / 255)) ** np.float32(look.tone)
    gain = look.exposure[frame] * (look.metered / max(float(toned.mean()), 1.0)) ** look.metering
    bright, room = toned * np.float32(gain), np.float32(max(255 - look.knee, 1.0))
    beyond = np.maximum(bright - np.float32(look.knee), 0)
    return np.where(beyond > 0, np.float32(look.knee) + room * -np.expm1(-beyond / room), bright)
