"""Imitation of a teacher's depth, on the student's own frames and on any others that nobody labelled.

Source: Hu et al. 2021, arXiv:2105.06143 (KSEM 2023): distillation on the labelled set, on unlabelled
auxiliary pictures, and on both at once are the paper's settings. Weights, mixture and plain losses are ours.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.losses.arbiter import ArbiterConfig
from lumde.losses.imitation import scale_invariant
from lumde.methods.arbiter import Arbiter
from lumde.methods.base import Streams, mean_of
from lumde.methods.imitation import ImitationConfig, Imitator, imitation_terms
from lumde.nets.base import DepthNet
from lumde.registry import Named
from lumde.structures import FrameBatch
from lumde.teachers.base import Teacher


class Response(Imitator):
    """Imitate the teacher's depth, also on frames that nobody labelled."""

    source = "Boosting Light-Weight Depth Estimation via KD, arXiv:2105.06143; weights and mixture are ours"

    @dataclass(kw_only=True)
    class Config(Named, ImitationConfig):
        """What is imitated, by which distance, and what else is learned from."""

        # Share of measured depth in pictures that have any; the rest is the teacher's.
        label_weight: float = 0.0
        auxiliary_ratio: float = 0.0  # pictures of the stream `auxiliary` per picture of the main one, 0 to 1
        arbiter: ArbiterConfig | None = None  # the video decides which of the teacher's pixels to believe

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.arbiter and self.loss == "affine_invariant":
                raise ValueError(
                    "arbiter: warps by the student's depth, whose shift affine_invariant leaves open"
                )
            if not (0 <= self.label_weight < 1 and 0 <= self.auxiliary_ratio <= 1):
                raise ValueError(
                    "label_weight from 0 to below 1 and auxiliary_ratio from 0 to 1 needed, found "
                    f"{self.label_weight} and {self.auxiliary_ratio}"
                )

    def __init__(self, config: Config, student: DepthNet, teacher: Teacher | None = None) -> None:
        """Join student and frozen teacher."""
        super().__init__(student, teacher)
        self.config = config
        self.arbiter = Arbiter(config.arbiter, student, self.run) if config.arbiter else None
        self.needs = (("depth",) if config.label_weight else ()) + (("sources",) if self.arbiter else ())
        self.streams = ("main", "auxiliary") if config.auxiliary_ratio else ("main",)

    @property
    def weighs(self) -> bool:
        """Plain imitation does."""
        return self.config.loss == "log_l1"

    @property
    def begins(self) -> dict[str, int]:
        """An arbiter joins late."""
        return {"arbiter": self.arbiter.config.after_steps} if self.arbiter else {}

    def terms(self, batch: Streams, phase: str, step: int) -> dict[str, Float[Tensor, ""]]:
        """Distance to the teacher on all pictures, distance to the truth on the labelled ones."""
        frames = batch["main"]
        parts = self._parts(batch)
        taught = [(*self.look(part), self.certainty(part)) for part in parts]
        teacher = torch.cat([depth for depth, *_ in taught])
        valid = torch.cat([torch.ones_like(depth) > 0 if mask is None else mask for depth, mask, _ in taught])
        sure = [weight for *_, weight in taught if weight is not None]
        weight = torch.cat(sure) if sure else None
        output = self.run(self.student, torch.cat([part.jittered for part in parts]))
        depths = self.enlarged_depths(output, teacher)
        self.monitors = {"disp_std": output.disp.detach().flatten(1).std(1).mean()}
        if self.arbiter and self.arbiter.speaks_at(step):
            main, rest = valid.split((len(frames.image), len(valid) - len(frames.image)))
            main = self.arbiter.believed(frames, teacher[: len(main)], main)
            valid = torch.cat([main, rest])  # only the main stream has neighbours
            self.monitors |= self.arbiter.monitors()
        if not self.config.label_weight:
            return self.imitation(depths, teacher, valid, weight)
        return self._with_labels(frames, depths, teacher, valid, weight)

    def pictures(self, batch: Streams) -> dict[str, Float[Tensor, "3 h w"]]:
        """Input, student, teacher, difference; where an arbiter last believed the teacher."""
        return super().pictures(batch) | (self.arbiter.pictures() if self.arbiter else {})

    def _parts(self, batch: Streams) -> list[FrameBatch]:
        """Main frames, then as many auxiliary ones as the ratio says."""
        main = batch["main"]
        if not self.config.auxiliary_ratio or "auxiliary" not in batch:  # a validation set has no such stream
            return [main]
        count = max(1, round(self.config.auxiliary_ratio * len(main.image)))
        return [main, batch["auxiliary"].first(count)]

    def _with_labels(
        self,
        frames: FrameBatch,
        depths: list[Float[Tensor, "b 1 h w"]],
        teacher: Float[Tensor, "b 1 h w"],
        valid: Bool[Tensor, "b 1 h w"],
        weight: Float[Tensor, "b 1 h w"] | None,
    ) -> dict[str, Float[Tensor, ""]]:
        """Pictures with labels share their weight between truth and teacher; the others are the teacher's."""
        truth, measured = self._measured(frames)
        labelled = torch.zeros(len(teacher), dtype=torch.bool, device=teacher.device)
        labelled[: len(frames.image)] = measured.flatten(1).any(1)
        terms: dict[str, Float[Tensor, ""]] = {}
        for chosen, taught in ((labelled, 1 - self.config.label_weight), (~labelled, 1.0)):
            if chosen.any():
                part = [depth[chosen] for depth in depths]
                share = taught * chosen.float().mean()
                sure = None if weight is None else weight[chosen]
                found = self.imitation(part, teacher[chosen], valid[chosen], sure)
                for name, term in found.items():
                    terms[name] = terms.get(name, 0) + share * term
        known = self._to_truth([depth[: len(frames.image)] for depth in depths], truth, measured)
        terms["label"] = self.config.label_weight * labelled.float().mean() * known
        return terms

    def _measured(self, frames: FrameBatch) -> tuple[Float[Tensor, "b 1 h w"], Bool[Tensor, "b 1 h w"]]:
        """Measured depth, and where it is within the student's range."""
        assert frames.depth is not None
        nearest, farthest = self.student.config.limits
        valid = (frames.depth >= nearest) & (frames.depth <= farthest)
        return frames.depth, valid if frames.mask is None else valid & frames.mask

    def _to_truth(
        self, depths: list[Float[Tensor, "b 1 h w"]], truth: Tensor, valid: Tensor
    ) -> Float[Tensor, ""]:
        """The same distance as to the teacher; one of logarithms without scale if the teacher knows none.

        The paper has the same loss for both: L = (1 - l) L(student, teacher) + l L(student, truth).
        """
        if self.teacher.unit == "metres" or self.leaves_shift:
            return torch.stack(
                [*imitation_terms(self.config, depths, truth, valid, metres=1.0).values()]
            ).sum()
        return mean_of(scale_invariant(depth, truth, valid, share=1.0) for depth in depths)
