"""The contract between a training method and the loop."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lumde.errors import ConfigError
from lumde.methods.arbiter import Arbiter
from lumde.models import resize_disparity
from lumde.nets.base import DepthNet
from lumde.pictures.colours import colour
from lumde.pictures.depth import DEPTH_MAP
from lumde.structures import DepthOutput, FrameBatch, Unit
from lumde.teachers.base import Teacher

Streams = Mapping[str, FrameBatch]


class Method(nn.Module, ABC):
    """One row of the methods table. Subclasses fill the class attributes and two functions."""

    streams: tuple[str, ...] = ("main",)  # data streams it reads, by config; each is named in the config
    phases: ClassVar[tuple[str, ...]] = ("student",)  # optimised in turn within one step
    needs: tuple[str, ...] = ()  # fields the main stream must provide; may depend on the config
    teacher_gives: tuple[str, ...] = ()  # what it asks of a teacher, of Teacher.gives; by config
    source: ClassVar[str]  # the paper
    multiple: int = 1  # of which sides of pictures must be; may depend on the config
    student: DepthNet  # what is evaluated, exported, shipped
    teacher: Teacher | None  # of methods that have one
    arbiter: Arbiter | None = None  # doubts the teacher where the video speaks against it
    network_dtype: torch.dtype = torch.float32  # set by the loop; only `run` looks at it

    def __init__(self) -> None:
        """Start with nothing to monitor."""
        super().__init__()
        self.monitors: dict[str, Tensor] = {}  # of the last batch: logged, never minimised

    @abstractmethod
    def trainable(self, phase: str) -> Iterable[nn.Parameter]:
        """Parameters that `phase` updates. Phases own disjoint sets."""

    @abstractmethod
    def terms(self, batch: Streams, phase: str, step: int) -> dict[str, Float[Tensor, ""]]:
        """Weighted scalar terms of `phase`; the loop minimises their sum and logs each."""

    @classmethod
    def asks_teacher(cls, config: Any) -> bool:  # noqa: ARG003 - some methods have weights that say no
        """Whether a teacher is imitated, by the method's own Config."""
        return bool(cls.teacher_gives)

    def check(self) -> None:  # noqa: B027 - most methods hold nothing that can contradict
        """Refuse parts that contradict each other, once all of them are told how frames come."""

    def pictures(self, batch: Streams) -> dict[str, Float[Tensor, "3 h w"]]:
        """What the log shows of the first sample, RGB in [0, 1]."""
        return {"input": batch["main"].image[0]}

    @torch.no_grad()
    def believed(self, frames: FrameBatch) -> Bool[Tensor, "b 1 h w"]:
        """Pixels where an arbiter believes the teacher as things stand; for methods that have both."""
        assert self.arbiter is not None
        return self.arbiter.believed(frames, *self.taught(frames))

    @torch.no_grad()
    def taught(self, frames: FrameBatch) -> tuple[Float[Tensor, "b 1 h w"], Bool[Tensor, "b 1 h w"] | None]:
        """The teacher's depth of a batch, and where it and the frames' mask have something to say."""
        assert self.teacher is not None
        with self.autocast(frames.image):
            return known_depth(self.teacher.look(frames), frames.mask)

    @torch.no_grad()
    def taught_with_features(
        self, frames: FrameBatch
    ) -> tuple[Float[Tensor, "b 1 h w"], Bool[Tensor, "b 1 h w"] | None, tuple[Tensor, ...]]:
        """As `taught`, and the teacher's encoder maps, of the same pass where labels need one."""
        assert self.teacher is not None
        if not self.teacher.one_pass:
            return *self.taught(frames), self.run(self.teacher.features, frames.image)
        depth, features = self.run(self.teacher.depth_and_features, frames.image)
        return *known_depth(depth, frames.mask), features

    @torch.no_grad()
    def certainty(self, frames: FrameBatch) -> Float[Tensor, "b 1 h w"] | None:
        """How sure the teacher is of what `taught` answers; None = everywhere alike."""
        assert self.teacher is not None
        with self.autocast(frames.image):
            return self.teacher.weights(frames)

    def enlarged_depths(
        self, output: DepthOutput, like: Float[Tensor, "b 1 h w"]
    ) -> list[Float[Tensor, "b 1 h w"]]:
        """The student's depth at every scale it answers, each brought to the size of `like`."""
        size = (like.shape[-2], like.shape[-1])
        return [self.student.depth(resize_disparity(disp, size)) for disp in output.disps]

    def needs_of(self, stream: str) -> tuple[str, ...]:
        """Fields a stream must provide; further streams are pictures alone unless a method says otherwise."""
        return self.needs if stream == "main" else ()

    @property
    def begins(self) -> dict[str, int]:
        """Terms that join later than the first step, and when: a shorter run does without them."""
        return {}

    @property
    def unit(self) -> Unit:
        """Unit of the student's depth: "metres" only where the training fixes it."""
        return "relative"

    @property
    def affine(self) -> bool:
        """Whether the student's disparity is right only up to a factor and a shift, as some teachers' is."""
        return False

    @property
    def weighs(self) -> bool:
        """Whether the loss can take a teacher's pixels by weight."""
        return False

    @property
    def leaves_scale(self) -> bool:
        """Whether the loss asks for depth only up to a factor."""
        return False

    @property
    def leaves_shift(self) -> bool:
        """Whether the loss asks for disparity only up to a factor and a shift."""
        return False

    @property
    def pose_net(self) -> nn.Module | None:
        """The pose network that training leaves behind, if any."""
        return None

    def run(self, net: Callable[..., Any], *inputs: Tensor) -> Any:
        """Run a network in `network_dtype`; geometry, warp and losses stay outside, in fp32."""
        with self.autocast(inputs[0]):
            return net(*inputs)

    def autocast(self, like: Tensor) -> torch.autocast:
        """The context of `run`."""
        enabled = self.network_dtype != torch.float32
        return torch.autocast(like.device.type, dtype=self.network_dtype, enabled=enabled)


def known_depth(
    depth: Float[Tensor, "b 1 h w"], mask: Bool[Tensor, "b 1 h w"] | None
) -> tuple[Float[Tensor, "b 1 h w"], Bool[Tensor, "b 1 h w"] | None]:
    """A teacher's depth with its holes (0, or no number) filled by 1, and the mask without them."""
    holes = ~(depth.isfinite() & (depth > 0))
    if not holes.any():
        return depth, mask
    return torch.where(holes, 1.0, depth), ~holes if mask is None else mask & ~holes


def mean_of(losses: Iterable[Float[Tensor, ""]]) -> Float[Tensor, ""]:
    """Average of scalars, e.g. one per scale."""
    return torch.stack(list(losses)).mean()


def require_teacher(teacher: Teacher | None, method: str) -> Teacher:
    """Answer the teacher, which this method cannot do without.

    Raises:
        ConfigError: there is none.
    """
    if teacher is None:
        raise ConfigError(f"teacher: missing, {method} imitates one (teacher: {{name: run, path: RUN}})")
    return teacher


def imitation_pictures(
    frames: FrameBatch, student: Float[Tensor, "b 1 h w"], teacher: Float[Tensor, "b 1 h w"]
) -> dict[str, Float[Tensor, "3 h w"]]:
    """Input, both depths and how far apart they are (white = a factor of e) of the first sample."""
    return {
        "input": frames.image[0],
        "student": disparity_picture(1 / student[0, 0]),
        "teacher": disparity_picture(1 / teacher[0, 0]),
        "difference": (student / teacher).log().abs()[0].clamp(max=1).expand(3, -1, -1),
    }


def disparity_picture(disp: Float[Tensor, "h w"]) -> Float[Tensor, "3 h w"]:
    """Colour a disparity map between its own 2nd and 98th percentile, for the log."""
    values = disp.detach().float().cpu().numpy()
    low, high = np.percentile(values, (2, 98))
    scaled = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    return torch.from_numpy(colour(scaled, DEPTH_MAP)).permute(2, 0, 1).float() / 255
