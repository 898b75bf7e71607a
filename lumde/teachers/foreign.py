"""Depth networks of others as teachers: depth or disparity, in metres or of any scale."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from lumde.errors import CheckpointError, ConfigError
from lumde.structures import Unit
from lumde.teachers.passes import PassesConfig, PassesTeacher

Polarity = Literal["depth", "disparity"]
LEAST = 1e-6  # of a disparity or depth, so that its inverse is finite
FARTHEST = 50.0  # times the nearest depth: where a relative disparity's least value is put
ENDS = (0.002, 0.998)  # shares of pixels between which disparity is stretched


@dataclass(kw_only=True)
class ForeignConfig(PassesConfig):
    """How answers are meant."""

    answers: Literal["auto", "depth", "disparity"] = "auto"  # auto: as its kind is known to, else by looking
    affine: bool = True  # where it answers no metres: right only up to a factor and a shift; False = a factor


class ForeignTeacher(PassesTeacher):
    """Reads a network's answers; subclasses load it and say what it answers.

    Where a network answers disparity only up to scale and shift, every picture's answer is stretched between
    1 and 1/50: its shape is the network's, its range is ours. `loss: affine_invariant` undoes that. One that
    is right up to a factor alone (`affine=false`: what self-supervision trains) is taken as it is.
    """

    config: Any
    unit: Unit
    answers: Polarity | None  # None = not known yet
    settled: bool = False  # a run goes on: what was found out when it began stays so

    @property
    def affine(self) -> bool:  # type: ignore[override]
        """Whether its disparity is stretched: that has our shift, not the world's."""
        return self.unit != "metres" and bool(self.config.affine)

    @abstractmethod
    def answer(self, images: Float[Tensor, "b 3 h w"], size: float = 1.0) -> Float[Tensor, "b 1 h w"]:
        """What the network says, at the images' size, fp32; it sees them at `size` times its own."""

    def begin(self, images: Float[Tensor, "b 3 h w"]) -> list[str]:
        """Look at real frames once: find or check the polarity, and say what the answers are taken for.

        Raises:
            ConfigError: they look like the opposite of what such networks answer, and nobody said which.
        """
        with torch.no_grad():
            seems = polarity(self.answer(images))
        known = self.answers
        self.answers = known or seems
        said = [f"teacher: its answers are read as {self.answers}, {self._range()}"]
        if known and seems != known:
            doubt = f"on these frames they look like {seems} (what is low in a picture is mostly near)"
            if self.config.answers == "auto" and not self.settled:
                raise ConfigError(
                    f"{said[0]}, but {doubt}: say which it is, teacher.answers=depth or disparity"
                )
            said.append(f"teacher: {doubt}; if so, set teacher.answers={seems}")
        self._try_sizes(images[:1])
        return said + super().begin(images)

    def state(self) -> dict[str, Any]:
        """Who it is, and how its answers are read."""
        return super().state() | {"answers": self.answers}

    def restore(self, state: dict[str, Any]) -> None:
        """Read them as when the run began; what a config says goes first."""
        self.settled = True
        if self.answers is None and state.get("answers") in get_args(Polarity):
            self.answers = state["answers"]
        super().restore(state)

    def ask(self, images: Float[Tensor, "b 3 h w"], size: float) -> Float[Tensor, "b 1 h w"]:
        """Depth at the images' size; the network sees them `size` times as large as it is used to."""
        answer = self.answer(images, size)
        if self.answers is None:
            self.answers = polarity(answer)
        if self.unit == "metres":
            return answer.clamp(min=1e-3)
        disparity = answer if self.answers == "disparity" else 1 / answer.clamp(min=LEAST)
        return 1 / (stretched(disparity) if self.affine else disparity.clamp(min=LEAST))

    @torch.no_grad()
    def _try_sizes(self, images: Float[Tensor, "1 3 h w"]) -> None:
        """Some networks see one size alone; ConfigError where the config asks such a one for others."""
        for size in set(self.config.sizes) - {1.0}:
            try:
                self.ask(images, size)
            except torch.OutOfMemoryError:
                raise
            except (CheckpointError, RuntimeError, ValueError) as error:
                reason = str(error).strip().partition("\n")[0]
                raise ConfigError(
                    f"teacher.sizes: this network cannot be asked at {size} times its size ({reason})"
                ) from error

    def pass_facts(self) -> str:
        """Nothing for the one pass that such teachers gave before they could be asked for more."""
        return "" if self.config.plain else super().pass_facts()

    def _range(self) -> str:
        if self.unit == "metres":
            return "in metres"
        if not self.affine:
            return "up to scale"
        return f"up to scale and shift; nearest and farthest of a picture are put {FARTHEST:g} times apart"


def polarity(answer: Float[Tensor, "b 1 h w"]) -> Polarity:
    """Disparity if answers grow towards the bottom of the pictures, where what is near mostly is."""
    rows = answer.float().mean(dim=(1, 3))
    centred = rows - rows.mean(1, keepdim=True)
    down = torch.linspace(-1, 1, rows.shape[1], device=rows.device)
    return "disparity" if float((centred * down).sum(1).sign().sum()) >= 0 else "depth"


def stretched(disparity: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Bring each picture's disparity to 1/FARTHEST .. 1."""
    ends = disparity.new_tensor(ENDS)
    low, high = disparity.flatten(1).quantile(ends, dim=1)[..., None, None, None]
    share = ((disparity - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
    return (1 / FARTHEST) + (1 - 1 / FARTHEST) * share
