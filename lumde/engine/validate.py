"""Looks at the student while it learns: against ground truth, and by the method's own terms."""

from dataclasses import dataclass
from typing import Literal

import torch

from lumde.data import DATASETS
from lumde.data.base import FrameDataset, thinned
from lumde.data.loader import Batches, LoaderConfig
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.engine.log import to_numbers
from lumde.errors import ConfigError, DataError
from lumde.evaluators.accuracy import evaluate_frames, image_predictor
from lumde.methods.base import Method
from lumde.models import DepthModel
from lumde.registry import Named, build, choice
from lumde.teachers.base import Teacher

LOSS_BATCHES = 8  # batches the validation loss is averaged over


@dataclass(kw_only=True)
class ValidationConfig:
    """Where and how to look at the student while it learns."""

    data: Named = choice(DATASETS)
    align: Literal["median", "none", "scale_shift", "dataset_scale"] = "median"
    max_frames: int = 200  # evenly spread over the set


class Validation:
    """Answers a dict of numbers each time it is called."""

    def __init__(
        self, method: Method, model: DepthModel, dataset: FrameDataset, batches: Batches | None, align: str
    ) -> None:
        """Keep what is looked at; `batches` is None where the method's terms cannot be computed."""
        self.method, self.model, self.dataset, self.batches, self.align = (
            method,
            model,
            dataset,
            batches,
            align,
        )

    @classmethod
    def build(
        cls, config: ValidationConfig, snippets: SnippetConfig, method: Method, model: DepthModel
    ) -> "Validation":
        """Open the validation set; frames are thinned evenly to `max_frames`."""
        dataset: FrameDataset = build(DATASETS, config.data)
        if dataset.changes:
            raise ConfigError("validation.data changes from epoch to epoch; set validation.data.fresh=0")
        dataset.targets = thinned(dataset.targets, config.max_frames)
        return cls(method, model, dataset, _batches(method, dataset, snippets), config.align)

    @torch.no_grad()
    def __call__(self) -> dict[str, float]:
        """Evaluate the model as the loop last refreshed it, and the terms that the method begins with."""
        values: dict[str, float] = {}
        self.method.eval()
        if self.batches is not None:
            values["val_loss"] = self._loss(self.batches)
        if "depth" in self.dataset.provides:
            device = next(self.method.parameters()).device
            predict = image_predictor(self.model.to(device).eval().disparity, device)
            summary = evaluate_frames(predict, self.dataset, align=self.align).summary
            values |= {f"val_{name}": value for name, value in summary["metrics"].items()}
        self.method.train()
        return values

    def _loss(self, batches: Batches) -> float:
        """Mean weighted sum of the first phase's terms, without augmentation."""
        device = next(self.method.parameters()).device
        total = 0.0
        for step in range(LOSS_BATCHES):
            terms = self.method.terms({"main": batches.at(step).to(device)}, self.method.phases[0], 0)
            total += sum(to_numbers(terms).values())
        return total / LOSS_BATCHES


def _batches(method: Method, dataset: FrameDataset, snippets: SnippetConfig) -> Batches | None:
    """Snippets of the validation set, None where the terms cannot be had of it."""
    teacher: Teacher | None = getattr(method, "teacher", None)
    if not set(method.needs) <= set(dataset.provides) or (teacher and "depth" not in teacher.gives):
        return None
    try:
        found = Snippets(dataset, snippets, method.needs)
    except DataError:
        return None  # e.g. single frames of a frozen test set
    return Batches(found, LoaderConfig(batch=4), None, 0)
