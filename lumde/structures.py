"""The few values everyone passes.

Conventions, stated once: metres; pixels; radians; RGB in [0, 1]; pixel (0, 0) is the centre of the top-left
pixel; x right, y down, z forward; `a_from_b` is a 4x4 transform that takes a point in frame b and answers in
frame a; depth is measured along z, 0 = no measurement; masks are bool, True = use.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

Unit = Literal["relative", "metres"]  # of depth; relative = up to one unknown factor
WHOLE = 0.999  # share from which a resized pixel has nothing masked in it: weights sum to 1 up to rounding
RIGHT = "right"  # the stereo partner among the source offsets


@dataclass(frozen=True)
class FrameKey:
    """Names one frame of a dataset; `position` counts within its sequence, gaps included."""

    sequence: str
    position: int
    name: str

    @property
    def path(self) -> str:
        """Sequence and name: what batches, caches and messages call the frame."""
        return f"{self.sequence}/{self.name}"


@dataclass
class Frame:
    """One decoded frame as a dataset stores it: numpy, stored resolution."""

    image: UInt8[np.ndarray, "h w 3"]
    intrinsics: Float[np.ndarray, "3 3"]  # pixels at this resolution
    depth: Float[np.ndarray, "dh dw"] | None = None  # metres, 0 = none; may have another size than the image
    mask: Bool[np.ndarray, "mh mw"] | None = None
    world_from_camera: Float[np.ndarray, "4 4"] | None = None  # metres
    right: UInt8[np.ndarray, "h w 3"] | None = None
    baseline: float | None = None  # metres, right camera at +x
    timestamp: float | None = None  # seconds
    object_ids: Int[np.ndarray, "h w"] | None = None
    movers: Bool[np.ndarray, "h w"] | None = None  # True where an object moves by itself


@dataclass
class FrameBatch:
    """Target frames with their neighbours; every field has the batch's one resolution."""

    image: Float[Tensor, "b 3 h w"]  # clean: what losses compare
    jittered: Float[Tensor, "b 3 h w"]  # colour-jittered: what networks see
    intrinsics: Float[Tensor, "b 3 3"]  # pixels at h x w
    sources: Float[Tensor, "b s 3 h w"] | None = None
    sources_jittered: Float[Tensor, "b s 3 h w"] | None = None
    offsets: tuple[int | str, ...] = ()  # of each source in frames (negative = earlier), or RIGHT
    source_from_target: Float[Tensor, "b s 4 4"] | None = None  # recorded poses or stereo baseline, metres
    depth: Float[Tensor, "b 1 h w"] | None = None  # metres, 0 = none
    mask: Bool[Tensor, "b 1 h w"] | None = None
    source_masks: Bool[Tensor, "b s h w"] | None = None  # None = nothing in them is masked
    object_ids: Int[Tensor, "b 1 h w"] | None = None  # of simulated frames: what belongs to one thing
    flipped: Bool[Tensor, " b"] | None = None  # mirrored by augmentation
    keys: tuple[str, ...] = ()  # "sequence/name", for logs and caches

    @property
    def moving(self) -> list[int]:
        """Which sources the camera moved to in time: all but a stereo partner."""
        return [i for i, offset in enumerate(self.offsets) if offset != RIGHT]

    def mirrored(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Mirror maps where the frames are mirrored; doing it twice changes nothing."""
        if self.flipped is None:
            return maps
        return torch.where(self.flipped[:, None, None, None], maps.flip(-1), maps)

    def first(self, count: int) -> "FrameBatch":
        """The first `count` frames, or all."""
        cut: dict[str, Any] = {
            f.name: value[:count] for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)
        }
        return replace(self, **cut, keys=self.keys[:count])

    def to(self, device: torch.device | str) -> "FrameBatch":
        """Move every tensor to `device`."""
        moved: dict[str, Any] = {
            f.name: value.to(device, non_blocking=True)
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)


@dataclass
class DepthOutput:
    """What every depth network answers."""

    disps: tuple[Float[Tensor, "b 1 _ _"], ...]  # sigmoid outputs, finest (input resolution) first, fp32
    features: tuple[Float[Tensor, "b _ _ _"], ...] = ()  # encoder maps, finest first
    probabilities: Float[Tensor, "b k _ _"] | None = None  # over depth bins, where a network has them

    @property
    def disp(self) -> Float[Tensor, "b 1 h w"]:
        """The finest disparity."""
        return self.disps[0]
