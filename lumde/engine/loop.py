"""The training loop. It knows phases and terms, and no method's name.

Reproducibility: data and random numbers are functions of (seed, step), so a run that was cut and resumed
ends in the same bits as one that was not (same machine class, same thread count).
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lumde.data.loader import Batches
from lumde.engine import checkpoint
from lumde.engine.average import MovingAverage
from lumde.engine.guard import Guard, bad_field, copy_buffers, restore_buffers
from lumde.engine.log import RunLog, to_numbers
from lumde.engine.loop_config import LoopConfig
from lumde.engine.notes import late_terms
from lumde.engine.optimize import OptimizerConfig, make_optimizer, set_rate
from lumde.engine.pace import Pace
from lumde.engine.plateau import Plateau
from lumde.engine.same import names_digest, require_same_frames
from lumde.engine.signals import StopRequest
from lumde.errors import FAULTS, NumericsError
from lumde.methods.base import Method
from lumde.models import DepthModel
from lumde.structures import FrameBatch


class Loop:
    """One run: owns optimisers, averaged weights and the step counter; checkpoints and resumes them."""

    def __init__(
        self,
        config: LoopConfig,
        method: Method,
        streams: dict[str, Batches],
        optimizers: dict[str, OptimizerConfig],
        model: DepthModel,
    ) -> None:
        """Join parts; `model` wraps the method's student as it will be shipped."""
        self.config, self.method, self.streams, self.model = config, method, streams, model
        self.rates = optimizers
        self.optimizers = {
            phase: make_optimizer(optimizers[phase], parameters)
            for phase in method.phases
            if (parameters := list(method.trainable(phase)))
        }
        self.averaged = MovingAverage(method.student, config.ema) if config.ema else None
        self.guard = Guard()
        self.plateau = Plateau(config.plateau, config.steps) if config.plateau else None
        self.pace = Pace(config.minutes)
        self.step, self.steps = 0, config.steps
        self.seconds = 0.0  # spent training so far, over all resumes
        self.total_wait = 0.0
        self.frames = {name: names_digest(stream.snippets) for name, stream in streams.items()}

    def run(self, folder: Path, log: RunLog, validate: Any = None) -> None:
        """Train to the end of the budget, or save and raise Interrupted on a signal."""
        checkpoints = folder / "checkpoints"
        started, before = time.monotonic(), self.seconds
        batches = {name: stream.iterate(self.step) for name, stream in self.streams.items()}
        with StopRequest() as stop:
            while not self.finished:
                waited = time.monotonic()
                batch = self._next(batches, checkpoints)
                wait = time.monotonic() - waited
                self.total_wait += wait
                for stream in self.streams.values():
                    log.left_out(stream.snippets.damage.news())
                values = self.train_step(batch)
                self.step += 1
                last, self.seconds = self.seconds, before + time.monotonic() - started
                log.advance()
                self._fix_steps(self.seconds - last, log)
                if self.guard.lost:
                    self._rewind(checkpoints, log)
                if self._due(self.config.log_every_steps):
                    values |= {name: count for name, count in self.guard.counts().items() if count}
                    log.scalars(self.step - 1, values, self.total_wait / max(1e-9, self.seconds))
                if self._due(self.config.picture_every_steps):
                    self._log_pictures(log, batch)
                if validate:
                    self._validate(validate, log)
                if self._due(self.config.checkpoint_every_steps) or self.finished or stop.received:
                    self.save(checkpoints)
                stop.raise_if_received(f"stopped at step {self.step}, state saved; go on with --resume")

    def _next(self, batches: Mapping[str, Iterator[FrameBatch]], checkpoints: Path) -> dict[str, FrameBatch]:
        """The next batch of every stream; what ends the data ends the run, which is saved first."""
        try:
            return {name: next(stream) for name, stream in batches.items()}
        except FAULTS:
            if self.step:
                self.save(checkpoints)
            raise

    @property
    def finished(self) -> bool:
        """True when the budget is spent."""
        return 0 < self.steps <= self.step

    def train_step(self, batch: dict[str, FrameBatch]) -> dict[str, float]:
        """One step of every phase; one with bad numbers ends it, and leaves no trace of its own anywhere."""
        torch.manual_seed(_step_seed(self.config.seed, self.step))
        self._to_training()
        for name, frames in batch.items():
            if field := bad_field(frames):
                self.guard.note_bad(f"batch: non-finite {name}.{field} ({_names(batch)})")
                return {"loss": math.nan}
        values: dict[str, float] = {}
        summed: tuple[str, ...] = ()
        for phase in self.optimizers:
            buffers = copy_buffers(self.method)
            terms = self.method.terms(batch, phase, self.step)
            if not terms:  # e.g. the critic during its warm-up
                continue
            summed = summed or tuple(terms)  # those of the first phase
            numbers, reason = self._minimise(phase, terms)
            values |= numbers
            if reason:
                restore_buffers(self.method, buffers)
                self.guard.note_bad(f"{reason} ({_names(batch)})")
                return values
        if "loss" not in values:  # no term of the student's in this step
            return values
        self.guard.note_good(values["loss"], summed)
        if self.averaged is not None:
            self.averaged.update_parameters(self.method.student)
        return values

    def _to_training(self) -> None:
        self.method.train()
        if self.config.freeze_norm:
            for module in self.method.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def _minimise(self, phase: str, terms: dict[str, Tensor]) -> tuple[dict[str, float], str | None]:
        """Back-propagate the sum of `terms` and step, unless the numbers are bad: then say why."""
        optimizer, config = self.optimizers[phase], self.rates[phase]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        loss = torch.stack(list(terms.values())).sum()
        numbers = to_numbers({**terms, **self.method.monitors, "loss": loss})
        if phase != self.method.phases[0]:
            numbers[f"loss_{phase}"] = numbers.pop("loss")
        total = float(loss.detach())
        if not math.isfinite(total):
            return numbers, f"{phase}: loss is {total}"
        if numbers.get("bad_grid"):
            return numbers, f"{phase}: {numbers['bad_grid']:.0f} non-finite sampling positions"
        if phase == self.method.phases[0] and self.guard.is_spike(total, tuple(terms)):
            return numbers, f"spike: loss {total:.3g}"
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        limit = config.clip or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, limit))
        numbers[f"gradient_norm_{phase}"] = norm
        if not math.isfinite(norm):
            return numbers, f"{phase}: gradient norm is {norm}"
        end, begin = self.steps or 10**6, 0
        if self.plateau:
            end, begin = self.plateau.end, self.plateau.decay_from or 0
        numbers[f"rate_{phase}"] = set_rate(optimizer, config, self.step, end, begin)
        optimizer.step()
        return numbers, None

    def _validate(self, validate: Callable[[], dict[str, float]], log: RunLog) -> None:
        """Look at the validation set where that is due; a plateau then may set the end of the training."""
        every, plateau = self.config.validate_every_steps, self.plateau
        looks = plateau is not None and plateau.due(self.step)
        if looks or (every and self._due(every)):
            self.refresh_model()
            values = validate()
            log.validation(self.step - 1, values)
            if plateau is not None and looks:
                plateau.note(values["val_abs_rel"], self.step)
        if plateau is not None:
            plateau.watch_time(self.step)
            if plateau.decay_from is not None and self.steps != plateau.end:
                self.steps = plateau.end
                log.set_total(self.steps)
                log.say(f"no more gain from step {plateau.decay_from} on: ends at {self.steps}")

    def save(self, checkpoints: Path) -> None:
        """Write a checkpoint of this step."""
        self.refresh_model()
        checkpoint.save(checkpoints, self.model, self.state(), self.config.keep_checkpoints)

    def refresh_model(self) -> None:
        """Bring the shipped model up to date: averaged weights where there are some."""
        net = self.averaged.module if self.averaged is not None else self.method.student
        self.model.net.load_state_dict(net.state_dict())

    def state(self) -> checkpoint.TrainState:
        """Everything a resumed run needs."""
        tensors = {f"method.{k}": v for k, v in checkpoint.own_state(self.method).items()}
        if self.averaged is not None:
            tensors |= {f"ema.{k}": v for k, v in self.averaged.state_dict().items()}
        for phase, optimizer in self.optimizers.items():
            tensors |= checkpoint.flatten_optimizer(phase, optimizer)
        facts = {
            "steps": self.steps,
            "seconds": self.seconds,
            "wait": self.total_wait,
            "guard": self.guard.state(),
            "plateau": self.plateau.state() if self.plateau else None,
            "frames": self.frames,
        }
        return checkpoint.TrainState(self.step, tensors, facts)

    def restore(self, state: checkpoint.TrainState) -> None:
        """Go on from a saved state; ConfigError where the data are not what they were."""
        require_same_frames(state.facts.get("frames", {}), self.frames)
        own = {k.removeprefix("method."): v for k, v in state.tensors.items() if k.startswith("method.")}
        checkpoint.load_own_state(self.method, own)
        if self.averaged is not None:
            self.averaged.load_state_dict(
                {k.removeprefix("ema."): v for k, v in state.tensors.items() if k.startswith("ema.")}
            )
        for phase, optimizer in self.optimizers.items():
            checkpoint.restore_optimizer(phase, optimizer, state.tensors)
        self.step, self.steps = state.step, int(state.facts["steps"])
        if self.steps:
            self.pace = Pace(0.0)  # what was fixed stays
        self.seconds = float(state.facts["seconds"])
        self.total_wait = float(state.facts.get("wait", 0.0))
        self.guard = Guard.restored(state.facts["guard"])
        if self.plateau and state.facts.get("plateau"):
            self.plateau.restore(state.facts["plateau"])

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.finished

    def _fix_steps(self, seconds: float, log: RunLog) -> None:
        """Turn a budget in minutes into a number of steps; `seconds` is what the last step took."""
        if (total := self.pace.total(self.step, seconds, self.seconds)) is not None:
            self.steps = total
            log.set_total(total)
            for note in (
                f"{self.config.minutes:g} minutes hold {total} steps",
                *late_terms(total, self.method),
            ):
                log.say(note)

    def _rewind(self, checkpoints: Path, log: RunLog) -> None:
        """Return once to the last good weights and go on with later batches; a second time, give up."""
        sound = self.step - self.guard.in_a_row  # one of a later step holds the very weights that are suspect
        found = checkpoint.newest(checkpoints, sound) if checkpoints.is_dir() else None
        if found is None or self.guard.rewinds:
            raise NumericsError(
                f"step {self.step}: too many bad steps ({self.guard.in_a_row} in a row), the last: "
                f"{self.guard.last_reason}; "
                "lower optimizer.rate, or look at those frames"
            )
        here, counts, steps, seconds = self.step, self.guard.counts(), self.steps, self.seconds
        seen = self.plateau.state() if self.plateau else None
        self.restore(found[0])
        if self.plateau and seen:
            self.plateau.restore(seen)
        log.say(
            f"step {here}: too many bad steps, weights of step {self.step} put back, their batches skipped"
        )
        state: dict[str, Any] = {**counts, "rewinds": counts["rewinds"] + 1}
        self.guard = Guard(**state)
        self.step, self.steps, self.seconds = here, steps, seconds

    def _log_pictures(self, log: RunLog, batch: dict[str, FrameBatch]) -> None:
        self.method.eval()
        with torch.no_grad():
            log.pictures(self.step - 1, self.method.pictures(batch))


def _names(batch: dict[str, FrameBatch]) -> str:
    """Frames of a batch, for messages."""
    return ", ".join(key for frames in batch.values() for key in frames.keys[:2]) + ", ..."


def _step_seed(seed: int, step: int) -> int:
    """Seed of the random numbers inside one step (ties, penalty positions, dropout)."""
    return (seed * 0x9E3779B1 + step * 0x85EBCA77 + 0x165667B1) & 0x7FFFFFFFFFFFFFFF
