"""Batches as a function of (seed, step): equal for any number of workers and at any resume."""

import itertools
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from lumde.data.augment import AugmentConfig, to_batch
from lumde.data.snippets import Snippets
from lumde.errors import DataError, LumdeError
from lumde.structures import FrameBatch

ORDER, AUGMENT = 0, 1  # keep the two streams of random numbers of one seed apart


@dataclass(kw_only=True)
class LoaderConfig:
    """How samples are gathered."""

    batch: int = 8
    workers: int = 0  # processes that decode; 0 = decode in the training process, best for datasets in memory

    def __post_init__(self) -> None:
        """Refuse empty batches."""
        if self.batch < 1 or self.workers < 0:
            raise ValueError(f"batch must be >= 1 and workers >= 0, found {self.batch} and {self.workers}")


def order(length: int, seed: int, epoch: int) -> Int[np.ndarray, " n"]:
    """Permute the samples of one epoch; stateless, hence equal wherever it is asked."""
    return np.random.default_rng((seed, epoch, ORDER)).permutation(length)


class Batches:
    """The stream of training batches. `at` defines it; `iterate` gives the same, ahead of time."""

    def __init__(
        self,
        snippets: Snippets,
        loader: LoaderConfig,
        augment: AugmentConfig | None,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self._steps = _StepDataset(snippets, loader.batch, seed)
        self.snippets, self.loader, self.augment, self.seed = snippets, loader, augment, seed
        self.device = torch.device(device)

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in one pass; a set smaller than a batch repeats its samples."""
        return self._steps.steps_per_epoch

    def at(self, step: int) -> FrameBatch:
        """Make the batch of `step`; DataError when too many frames cannot be read."""
        return self._finish(self._steps[step], step)

    def iterate(self, start_step: int = 0) -> Iterator[FrameBatch]:
        """Yield `at(start_step)`, `at(start_step + 1)`, ... without end; closing it ends the workers."""
        if self.loader.workers == 0:
            for step in itertools.count(start_step):
                yield self.at(step)
        ahead = DataLoader(
            self._steps,
            batch_size=None,  # one item is a whole batch already
            sampler=_Count(start_step),
            num_workers=self.loader.workers,
            collate_fn=_as_it_is,
            worker_init_fn=_leave_signals_to_parent,
            pin_memory=self.device.type == "cuda",
        )
        for step, samples in enumerate(ahead, start_step):
            yield self._finish(samples, step)

    def _finish(self, found: "_Found | LumdeError", step: int) -> FrameBatch:
        if isinstance(found, LumdeError):
            raise found
        samples, problems = found
        for problem in problems:
            self.snippets.damage.note(problem)  # a worker's own count knows nothing of other workers'
        moved = {
            name: value.to(self.device, non_blocking=True) if isinstance(value, Tensor) else value
            for name, value in samples.items()
        }
        return to_batch(moved, self.augment, (self.seed, step, AUGMENT), self.snippets.offsets)


_Found = tuple[dict[str, Any], list[str]]  # collated samples, and what was wrong with frames left out


class _StepDataset(Dataset[Any]):
    """Step -> collated samples; the only state is which epoch the dataset was prepared for."""

    def __init__(self, snippets: Snippets, batch: int, seed: int) -> None:
        self.snippets, self.batch, self.seed = snippets, batch, seed
        self.steps_per_epoch = max(1, len(snippets) // batch)
        self._epoch = -1
        self._order = np.arange(0)

    def __getitem__(self, step: int) -> _Found | LumdeError:
        """Gather the samples of `step`; an error is handed over whole: a worker's traceback would bury it."""
        try:
            self._begin_epoch(step // self.steps_per_epoch)
            first = step % self.steps_per_epoch * self.batch
            problems: list[str] = []
            samples = [self._sample(first + place, problems) for place in range(self.batch)]
            return default_collate(samples), problems
        except LumdeError as error:
            return error

    def _sample(self, place: int, problems: list[str]) -> dict[str, Any]:
        """The sample at a place of the epoch's order, or the next one that can be read."""
        for ahead in range(len(self.snippets)):
            index = int(self._order[(place + ahead) % len(self.snippets)])
            try:
                return self.snippets[index]
            except DataError as error:
                self.snippets.damage.note(str(error))
                problems.append(str(error))
        raise DataError(f"{problems[-1]}; no other frame can be read either")

    def _begin_epoch(self, epoch: int) -> None:
        if epoch != self._epoch:
            self.snippets.dataset.begin_epoch(epoch)
            self._order = order(len(self.snippets), self.seed, epoch)
            self._epoch = epoch


class _Count:
    """A sampler of all steps from `start` on."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self.start)


def _as_it_is(samples: Any) -> Any:
    return samples


def _leave_signals_to_parent(_worker: int) -> None:
    """Let the training process act on signals, which reach the whole group: it saves, then ends the workers.

    A second SIGTERM counts: closing the loader and leaving the interpreter each send one to a stuck worker.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _frame: signal.signal(number, signal.SIG_DFL))
