"""DisDepth: a transformer's features, made fit for a small convolutional decoder, as the student's model.

Source: Zheng et al. 2024, arXiv:2404.16386: acclimation of the teacher's features through a ghost decoder (a
frozen copy of the student's), and attention that picks the regions worth imitating, are the paper's. All
formulas, weights, and that the ghost is copied after a warm-up (before it the decoder knows nothing), are
ours: only its abstract and review were at hand.
"""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from lumde.errors import ConfigError
from lumde.losses.feature import attentive_distance, clear_places, plain_distance
from lumde.losses.masked import masked_mean
from lumde.losses.pixelwise import log_l1
from lumde.methods.base import Streams, mean_of
from lumde.methods.imitation import ImitationConfig, Imitator
from lumde.nets.base import STRIDE, DepthNet
from lumde.nets.bins import widen_bins
from lumde.registry import Named
from lumde.structures import DepthOutput, FrameBatch
from lumde.teachers.base import Frozen, Teacher

PROBE = 64  # pixels, side of the picture that tells how many channels maps have


class _Seen(NamedTuple):
    """What the teacher says of one batch: both phases of a step need it."""

    frames: FrameBatch
    depth: Tensor  # holes filled by 1
    valid: Tensor | None  # pixels that count
    features: tuple[Tensor, ...]


class AttentiveFeature(Imitator):
    """Imitate the teacher's depth and, where it attends, its features as a small decoder can use them."""

    phases = ("student", "acclimate")
    multiple = STRIDE  # maps of both networks then show the same pixels
    teacher_gives = ("maps", "features")
    source = "DisDepth, arXiv:2404.16386; formulas, weights and schedule are ours"

    @dataclass(kw_only=True)
    class Config(Named, ImitationConfig):
        """Weights and schedule."""

        feature_weight: float = 0.1
        attention: Literal["attentive", "plain"] = "attentive"  # plain: every pixel alike, the reference row
        ghost_step: int = 500  # when the student's decoder is copied and acclimation begins
        feature_step: int = 1000  # when the student begins to imitate features

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.feature_weight < 0 or not 0 <= self.ghost_step < self.feature_step:
                raise ValueError("feature_weight >= 0 and 0 <= ghost_step < feature_step needed")

    ghost_made: Tensor

    def __init__(self, config: Config, student: DepthNet, teacher: Teacher | None = None) -> None:
        """Join student and frozen teacher; an adapter per map turns its channels into the student's."""
        super().__init__(student, teacher)
        self.config = config
        if "features" not in self.teacher.gives:
            raise ConfigError(
                "teacher: it does not give features, which attentive_feature needs; use a run of ours"
            )
        self.ghost = Frozen(copy.deepcopy(student))
        self.register_buffer("ghost_made", torch.zeros((), dtype=torch.bool))
        picture = torch.zeros(1, 3, PROBE, PROBE)
        with torch.no_grad():
            theirs = self.teacher.features(picture)
            ours = self.ghost(picture).features
        shared = min(len(ours), len(theirs))
        # Counted from the coarsest: maps that both have. What the decoder does not read (a head of bins ends
        # before the finest) could not be acclimated.
        read = _read_by_decoder(cast(DepthNet, self.ghost.net), ours)
        self.places = tuple(place for place in range(-shared, 0) if read[place])
        channels = ((theirs[place].shape[1], ours[place].shape[1]) for place in self.places)
        self.adapters = nn.ModuleList(_adapter(a, b) for a, b in channels)
        self._seen: _Seen | None = None  # the last batch's

    @property
    def begins(self) -> dict[str, int]:
        """Features join late."""
        return {"feature": self.config.feature_step} if self.config.feature_weight else {}

    def trainable(self, phase: str) -> Iterable[nn.Parameter]:
        """The student, or the adapters."""
        return self.student.parameters() if phase == "student" else self.adapters.parameters()

    def terms(self, batch: Streams, phase: str, step: int) -> dict[str, Float[Tensor, ""]]:
        """Imitation of depth and, later, of features; acclimation of the teacher's in between."""
        frames = batch["main"]
        if phase == "acclimate":
            return self._acclimation(frames) if step >= self.config.ghost_step else {}
        seen = self._asked(frames)
        output = self.run(self.student, frames.jittered)
        depths = self.enlarged_depths(output, seen.depth)
        terms = self.imitation(depths, seen.depth, seen.valid)
        if self.config.feature_weight and step >= self.config.feature_step:
            terms["feature"] = self.config.feature_weight * mean_of(self._gaps(seen, output.features))
        return terms

    def _gaps(self, seen: "_Seen", features: tuple[Tensor, ...]) -> Iterator[Float[Tensor, ""]]:
        """Distance of each map from the teacher's, acclimated, where the teacher's word is valid.

        Relative to the target's size: else the deepest maps, whose numbers are large, decide alone.
        """
        with torch.no_grad():
            wanted = self._acclimated(seen.features, features)
        distance = attentive_distance if self.config.attention == "attentive" else plain_distance
        for place, theirs in zip(self.places, wanted, strict=True):
            clear = clear_places(seen.valid, (theirs.shape[2], theirs.shape[3]))
            size = masked_mean(theirs.float().square().mean(1, keepdim=True), clear)
            yield distance(features[place].float(), theirs.float(), clear) / size.clamp(min=1e-6)

    def _acclimation(self, frames: FrameBatch) -> dict[str, Float[Tensor, ""]]:
        """What the ghost decoder makes of the adapted features shall be the teacher's depth."""
        if not self.ghost_made:
            self.ghost.net.load_state_dict(self.student.state_dict())  # and now it stays as it is
            self.ghost_made.fill_(True)
        seen = self._asked(frames)
        with torch.no_grad():
            like = self.run(self.ghost, frames.image).features
        maps = list(like)
        for place, adapted in zip(self.places, self._acclimated(seen.features, like), strict=True):
            maps[place] = adapted
        output = self.run(self._decoded, *maps)
        depth = self.enlarged_depths(output, seen.depth)[0]
        return {"acclimation": log_l1(depth, seen.depth, seen.valid)}

    def _asked(self, frames: FrameBatch) -> _Seen:
        """What the teacher says, asked once per batch."""
        if self._seen is None or self._seen.frames is not frames:
            self._seen = _Seen(frames, *self.taught_with_features(frames))
            widen_bins(self.student, self._seen.depth, self._seen.valid)
        return self._seen

    def _decoded(self, *features: Tensor) -> DepthOutput:
        """What the ghost's decoder answers."""
        return cast(DepthNet, self.ghost.net).decode(features)

    def _acclimated(
        self, features: tuple[Tensor, ...], like: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "b _ _ _"], ...]:
        """The teacher's maps with the channels and sizes of the student's."""
        return tuple(
            F.interpolate(
                self.run(adapter, features[place]),
                like[place].shape[-2:],
                mode="bilinear",
                align_corners=False,
            )
            for adapter, place in zip(self.adapters, self.places, strict=True)
        )


def _read_by_decoder(net: DepthNet, features: tuple[Tensor, ...]) -> list[bool]:
    """Which of the encoder's maps decide a network's answer."""
    with torch.enable_grad():
        maps = tuple(values.detach().requires_grad_() for values in features)
        gradients = torch.autograd.grad(net.decode(maps).disp.sum(), maps, allow_unused=True)
    return [gradient is not None for gradient in gradients]


def _adapter(channels_in: int, channels: int) -> nn.Sequential:
    """Pointwise and normalised per sample: what one picture teaches does not depend on its batch."""
    return nn.Sequential(nn.Conv2d(channels_in, channels, 1), nn.GroupNorm(1, channels))
