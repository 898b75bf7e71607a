"""What every evaluator promises, and the form of its answer."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from lumde.structures import Frame, FrameKey


@dataclass
class Evaluation:
    """The outcome over a set of frames."""

    summary: dict[str, Any]  # plain values, ready for JSON
    rows: list[dict[str, Any]]  # one per frame that counted
    notes: list[str] = field(default_factory=list)  # what the reader of the numbers must know


class Evaluator(ABC):
    """Collects one answer per frame; all state lives in the object."""

    @abstractmethod
    def update(self, disparity: Float[np.ndarray, "dh dw"], frame: Frame, key: FrameKey) -> None:
        """Score the predicted disparity of one frame."""

    @abstractmethod
    def result(self) -> Evaluation:
        """Sum up every frame so far."""
