"""Self-supervision: depth and motion that explain the neighbouring frames."""

from collections.abc import Iterable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from lumde.methods.base import Method, Streams, disparity_picture
from lumde.methods.video import VideoTerms
from lumde.methods.video_config import VideoConfig
from lumde.nets.base import DepthNet
from lumde.nets.bins import start_bins
from lumde.registry import Named
from lumde.structures import Unit
from lumde.teachers.base import Teacher


class Photometric(Method):
    """Learn from unlabelled video alone: warp neighbours onto the target and compare."""

    source = "Monodepth2, arXiv:1806.01260; geometry consistency: SC-Depth, arXiv:1908.10553"

    @dataclass(kw_only=True)
    class Config(Named, VideoConfig):
        """Options of video.VideoConfig."""

    def __init__(self, config: Config, student: DepthNet, teacher: Teacher | None = None) -> None:
        """Build the pose network; a teacher has nothing to say here."""
        super().__init__()
        self.config, self.student = config, student
        start_bins(student)
        self.video = VideoTerms(config)
        self.needs = self.video.needs

    def trainable(self, phase: str) -> Iterable[nn.Parameter]:
        """Student and pose network."""
        yield from self.student.parameters()
        yield from self.video.parameters()

    def terms(self, batch: Streams, phase: str, step: int) -> dict[str, Float[Tensor, ""]]:
        """Photometric error, smoothness and, as an option, geometry consistency."""
        frames = batch["main"]
        output = self.run(self.student, frames.jittered)
        result = self.video(self.student, output, frames, self.run)
        self.monitors = result.monitors
        return result.terms

    def pictures(self, batch: Streams) -> dict[str, Float[Tensor, "3 h w"]]:
        """Input, depth, first warped source, auto-mask."""
        frames = batch["main"]
        output = self.run(self.student, frames.image)
        result = self.video(self.student, output, frames, self.run)
        shown = {"input": frames.image[0], "depth": disparity_picture(output.disp[0, 0])}
        return shown | result.pictures()

    @property
    def unit(self) -> Unit:
        """Metres with recorded poses or a stereo baseline; a pose network leaves the scale open."""
        return self.video.unit

    @property
    def pose_net(self) -> nn.Module | None:
        """The pose network, unless motion is recorded."""
        return self.video.pose_net
