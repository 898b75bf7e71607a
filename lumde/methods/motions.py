"""Where the motion between frames comes from: a network that learns, the recording, the pictures alone."""

from dataclasses import dataclass

from torch import nn

from lumde.nets import POSE_NETS
from lumde.nets.base import PoseNet
from lumde.registry import Named


class RecordedPose(nn.Module):
    """Motion from the recording (odometry, VIO, RGB-D tracking): nothing to learn, depth in metres."""

    @dataclass(kw_only=True)
    class Config(Named):
        """How far the recording is trusted."""

        # Steps of direct alignment that may turn the recorded motion to where the pictures say it goes; its
        # length stays as recorded. For poses of another sensor, or a camera that is not known well. Ours.
        refine_steps: int = 0

    def __init__(self, config: Config) -> None:
        """Nothing to build."""
        super().__init__()
        self.config = config


class AlignedPose(nn.Module):
    """Motion by direct alignment from coarse to fine, given the depth of the moment: nothing to learn.

    For depth that is good already, e.g. a trained network that adapts to new pictures; from a random start
    there is nothing to align.
    """

    @dataclass(kw_only=True)
    class Config(Named):
        """No options."""

    def __init__(self, config: Config) -> None:
        """Nothing to build."""
        super().__init__()
        self.config = config


POSES: dict[str, type[nn.Module]] = {**POSE_NETS, "recorded": RecordedPose, "aligned": AlignedPose}
PoseConfig = PoseNet.Config | RecordedPose.Config | AlignedPose.Config
