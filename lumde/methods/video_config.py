"""What a video's own terms can be told; Monodepth2 by default."""

from dataclasses import dataclass
from typing import Literal

from lumde.methods.motions import POSES, PoseConfig
from lumde.registry import choice

FREE_DRIFT = 0.3  # of mean log depth since training began, within which `scale_weight` asks nothing


@dataclass(kw_only=True)
class VideoConfig:
    """The photometric part of a method, Monodepth2's by default. All scales the student answers count."""

    pose: PoseConfig = choice(POSES)
    smoothness_weight: float = 1e-3
    automask: bool = True
    minimum: bool = True  # per-pixel minimum over sources; False = mean
    out_of_view: Literal["border", "mask"] = "border"  # Monodepth2 repeats the border, SC-Depth masks
    geometry_weight: float = 0.0  # SC-Depth: 0.5; > 0 also weights pixels by its self-discovered mask
    # Weight of a drift of mean log depth beyond FREE_DRIFT: the scale that video leaves open would wander
    # until depths meet the end of the network's range. For networks that start trained; ours.
    scale_weight: float = 0.0
    # Steps of direct alignment after the pose network; depth is then judged by the aligned motion, and the
    # network learns to answer it. DDVO aligns too, and lets gradients through instead; 0 = Monodepth2.
    # Recorded motion is taken as it is; `aligned` is found by alignment alone.
    align_steps: int = 0
    align_weight: float = 10.0  # of the distance between both motions, a share of the width; ours
