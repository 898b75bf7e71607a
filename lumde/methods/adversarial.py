"""LUMDE: a light student that matches a frozen teacher per pixel and pair-wise, fools a critic that looks at
whole depth maps, and keeps learning from the video through its own pose network.

Source: Hu et al. 2022, Appl. Sci. 12(24) 12593: the three distillation terms, the pose network on the
student's side, the transformer critic with teacher maps as real and student maps as fake, and the
alternation are the paper's. It gives no weights, schedule or normalisation: the numbers below are ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lumde.errors import ConfigError
from lumde.losses.adversarial import critic_loss, gradient_penalty, student_loss
from lumde.losses.arbiter import ArbiterConfig
from lumde.losses.pairwise import depth_nodes, pairwise_affinity
from lumde.losses.pixelwise import inverse_l1, log_l1
from lumde.methods.arbiter import Arbiter
from lumde.methods.base import (
    Method,
    Streams,
    disparity_picture,
    imitation_pictures,
    require_teacher,
)
from lumde.methods.video import VideoTerms
from lumde.methods.video_config import VideoConfig
from lumde.nets import CRITICS
from lumde.nets.base import STRIDE, DepthNet, normalised
from lumde.registry import Named, build, choice
from lumde.structures import DepthOutput, FrameBatch, Unit
from lumde.teachers.base import Teacher


class _Seen(NamedTuple):
    """Depths of one batch: both phases of a step need them."""

    frames: FrameBatch
    teacher: Tensor  # holes filled by 1
    student: Tensor
    valid: Tensor | None  # pixels that count


class Adversarial(Method):
    """Match the teacher per pixel and pair-wise, fool a critic of whole maps, learn from the video too."""

    phases = ("student", "critic")
    teacher_gives = ("maps",)  # features too, where the teacher has them
    source = "LUMDE, Appl. Sci. 2022, 12(24), 12593, after Structured KD; weights and schedule are ours"

    @dataclass(kw_only=True)
    class Config(Named):
        """Weights; 0 switches a term off, which is how the paper's ablation is written."""

        pixel_weight: float = 1.0
        pixel: Literal["log_l1", "inverse_l1"] = "log_l1"
        pair_weight: float = 1.0
        pair_nodes: tuple[int, int] = (4, 8)  # rows and columns of nodes, at most the features' own
        holistic_weight: float = 0.1  # Structured KD's value
        critic: Named | None = choice(CRITICS, default=None)
        penalty_weight: float = 10.0
        warmup_steps: int = 100  # before the critic and the holistic term
        critic_every_steps: int = 1  # the critic and the holistic term take every n-th step
        video_weight: float = 0.1
        video: VideoConfig | None = None
        arbiter: ArbiterConfig | None = None  # the video decides which of the teacher's pixels to believe

        def __post_init__(self) -> None:
            if self.holistic_weight and self.critic is None:
                raise ValueError("holistic_weight needs a critic, e.g. critic: {name: critic_transformer}")
            if self.critic_every_steps < 1:
                raise ValueError(f"critic_every_steps: at least 1, found {self.critic_every_steps}")
            if self.video_weight and self.video is None:
                raise ValueError("video_weight needs a video section with a pose network")
            weights = (self.pixel_weight, self.pair_weight, self.holistic_weight, self.video_weight)
            if not any(weights):
                raise ValueError(
                    "weights of pixel, pair, holistic and video are all 0: nothing to learn from"
                )

    def __init__(self, config: Config, student: DepthNet, teacher: Teacher | None = None) -> None:
        """Join student, frozen teacher, critic and the student's pose network."""
        super().__init__()
        self.config, self.student, self.teacher = config, student, teacher
        self.imitates = self.asks_teacher(config)
        if self.imitates:
            require_teacher(teacher, type(self).__name__)
        self.critic = build(CRITICS, config.critic) if config.critic and config.holistic_weight else None
        self.video = VideoTerms(config.video) if config.video and config.video_weight else None
        self.arbiter = (
            Arbiter(config.arbiter, student, self.run) if config.arbiter and self.imitates else None
        )
        self.needs = self.video.needs if self.video else ("sources",) if self.arbiter else ()
        if self.compares_features:
            self.multiple = STRIDE  # maps of both networks then show the same pixels
        self._seen: _Seen | None = None  # of the last student phase

    @property
    def begins(self) -> dict[str, int]:
        """The critic, and an arbiter, join late."""
        late = {"holistic": self.config.warmup_steps} if self.critic is not None else {}
        return late | ({"arbiter": self.arbiter.config.after_steps} if self.arbiter else {})

    @classmethod
    def asks_teacher(cls, config: Config) -> bool:
        """False when every teacher term is off: the undistilled row of an ablation."""
        return bool(config.pixel_weight or config.pair_weight or config.holistic_weight)

    @property
    def compares_features(self) -> bool:
        """Whether the pair term is one of encoder maps; of depth maps where the teacher has no others."""
        gives = self.teacher.gives if self.teacher is not None else ()
        return bool(self.config.pair_weight) and "features" in gives

    def trainable(self, phase: str) -> Iterable[nn.Parameter]:
        """Student and its pose network, or the critic."""
        if phase == "critic":
            return self.critic.parameters() if self.critic else ()
        return [*self.student.parameters(), *(self.video.parameters() if self.video else ())]

    def terms(self, batch: Streams, phase: str, step: int) -> dict[str, Float[Tensor, ""]]:
        """Distillation and video terms of the student; Wasserstein terms of the critic after the warm-up."""
        frames = batch["main"]
        if phase == "critic":
            return self._critic_terms(frames) if self._critic_at(step) else {}
        output = self.run(self.student, frames.jittered)
        terms = self._imitation(frames, output, step) if self.imitates else {}
        self.monitors = self.arbiter.monitors() if self.arbiter else {}
        if self.video:
            result = self.video(self.student, output, frames, self.run)
            self.monitors |= result.monitors
            terms |= {name: self.config.video_weight * term for name, term in result.terms.items()}
        return terms

    def _critic_at(self, step: int) -> bool:
        """Whether the critic takes part in a step: the last of every `critic_every_steps`."""
        late = step >= self.config.warmup_steps
        return self.critic is not None and late and (step + 1) % self.config.critic_every_steps == 0

    def _imitation(self, frames: FrameBatch, output: DepthOutput, step: int) -> dict[str, Float[Tensor, ""]]:
        """Teacher terms, each of them optional."""
        student = self.student.depth(output.disp)
        features: tuple[Tensor, ...] = ()
        if self.compares_features:
            teacher, valid, features = self.taught_with_features(frames)
        else:
            teacher, valid = self.taught(frames)
        if self.arbiter and self.arbiter.speaks_at(step):
            valid = self.arbiter.believed(frames, teacher, valid)
        self._seen = _Seen(frames, teacher, student.detach(), valid)
        terms = {}
        if self.config.pixel_weight:
            loss = log_l1 if self.config.pixel == "log_l1" else inverse_l1
            terms["pixel"] = self.config.pixel_weight * loss(student, teacher, valid)
        if self.config.pair_weight:
            pair = (
                self._feature_pair(output, features, valid)
                if features
                else self._pair(student, teacher, valid)
            )
            terms["pair"] = self.config.pair_weight * pair
        if self._critic_at(step):
            assert self.critic is not None
            scores = self.run(self.critic, self._shown(_maps(student, teacher, valid), frames))
            terms["holistic"] = self.config.holistic_weight * student_loss(scores)
        return terms

    def _feature_pair(
        self, output: DepthOutput, features: tuple[Tensor, ...], valid: Tensor | None
    ) -> Tensor:
        """Affinities of the deepest encoder maps; of small pictures those are coarser than `pair_nodes`."""
        ours, theirs = output.features[-1].float(), features[-1].float()
        sizes = zip(self.config.pair_nodes, ours.shape[2:], theirs.shape[2:], strict=True)
        rows, columns = map(min, sizes)
        return pairwise_affinity(ours, theirs, (rows, columns), valid=valid)

    def _pair(self, student: Tensor, teacher: Tensor, valid: Tensor | None) -> Tensor:
        """Affinities of the depth maps' patches, where a teacher gives no features."""
        nodes = self.config.pair_nodes
        ours, theirs = (depth_nodes(depth, nodes, valid=valid) for depth in (student, teacher))
        return pairwise_affinity(ours, theirs, nodes, valid=valid)

    def _critic_terms(self, frames: FrameBatch) -> dict[str, Float[Tensor, ""]]:
        """WGAN-GP: teacher maps are real, student maps are fake."""
        assert self.critic is not None
        seen = self._depths(frames)
        real, fake = (_maps(depth, seen.teacher, seen.valid) for depth in (seen.teacher, seen.student))
        real_scores, fake_scores = (self.run(self.critic, self._shown(maps, frames)) for maps in (real, fake))
        self.monitors |= {
            "score_real": real_scores.detach().mean(),
            "score_fake": fake_scores.detach().mean(),
        }
        epsilon = torch.rand(real.shape[0], device=real.device)
        critic = self.critic
        # Slopes between maps: the picture beside them is the same on both sides.
        penalty = gradient_penalty(lambda maps: critic(self._shown(maps, frames)), real, fake, epsilon)
        return {
            "critic": critic_loss(real_scores, fake_scores),
            "penalty": self.config.penalty_weight * penalty,
        }

    def _shown(self, maps: Float[Tensor, "b 1 h w"], frames: FrameBatch) -> Float[Tensor, "b c h w"]:
        """What the critic looks at: maps, and with 4 channels the picture too."""
        assert self.critic is not None
        alone = self.critic.config.channels == 1
        return maps if alone else torch.cat([maps, normalised(frames.image)], 1)

    def _depths(self, frames: FrameBatch) -> "_Seen":
        """Teacher and student depth of a batch; the student phase of the same step has them already."""
        assert self.teacher is not None
        if self._seen is not None and self._seen.frames is frames:
            return self._seen
        with torch.no_grad():
            student = self.student.depth(self.run(self.student, frames.jittered).disp)
        teacher, valid = self.taught(frames)
        return _Seen(frames, teacher, student, valid)

    def pictures(self, batch: Streams) -> dict[str, Float[Tensor, "3 h w"]]:
        """Input, student, teacher and their difference, warped source and auto-mask: whatever there is."""
        frames = batch["main"]
        output = self.run(self.student, frames.image)
        student = self.student.depth(output.disp)
        if self.teacher is not None:
            shown = imitation_pictures(frames, student, self.taught(frames)[0])
        else:
            shown = {"input": frames.image[0], "student": disparity_picture(1 / student[0, 0])}
        if self.video:
            shown |= self.video(self.student, output, frames, self.run).pictures()
        return shown | (self.arbiter.pictures() if self.arbiter else {})

    @property
    def unit(self) -> Unit:
        """The teacher's where its scale is learned, else that of recorded motion."""
        if self._takes_scale and self.teacher is not None:
            return self.teacher.unit
        return self.video.unit if self.video else "relative"

    @property
    def affine(self) -> bool:
        """The teacher's: what it teaches has its shift."""
        return self.imitates and self.teacher is not None and self.teacher.affine

    @property
    def _takes_scale(self) -> bool:
        """Pairs know no common factor of depth; pixels and the critic's maps do."""
        return bool(self.config.pixel_weight or self.config.holistic_weight)

    def check(self) -> None:
        """Refuse two scales at once, recorded metres and a teacher's own, and shapes that no warp fits."""
        if self.video is not None and self._takes_scale and self.affine:
            raise ConfigError(
                "teacher: its disparity has an unknown shift, and the video term warps by true shapes; set "
                "method.video_weight=0"
            )
        metric = self.video is not None and self.video.unit == "metres"
        if metric and self._takes_scale and self.teacher is not None and self.teacher.unit == "relative":
            raise ConfigError(
                "teacher: its depth is relative, the video's motion is in metres; set method.pixel_weight=0 "
                "and method.holistic_weight=0, or take a teacher in metres"
            )

    @property
    def pose_net(self) -> nn.Module | None:
        """The student's pose network, if it has one that learns."""
        return self.video.pose_net if self.video else None


def _maps(depth: Tensor, teacher: Tensor, mask: Tensor | None) -> Float[Tensor, "b 1 h w"]:
    """Log depth in the teacher's per-image statistics: otherwise the critic wins on scale alone.

    Masked pixels enter no statistic and are 0 in every map.
    """
    use = torch.ones_like(teacher) if mask is None else mask.to(teacher.dtype)
    count = use.sum((1, 2, 3), keepdim=True).clamp(min=1)
    log_teacher = teacher.log()
    mean = (use * log_teacher).sum((1, 2, 3), keepdim=True) / count
    spread = ((use * (log_teacher - mean).square()).sum((1, 2, 3), keepdim=True) / count).sqrt()
    return use * (depth.log() - mean) / spread.clamp(min=1e-3)
