"""Training until nothing is gained any more: when to begin the final decay of the rate, and so the end."""

from dataclasses import dataclass

NEVER = 10**9  # steps: so far away that a schedule has not begun to fall


@dataclass(kw_only=True)
class PlateauConfig:
    """What counts as no gain. `loop.steps` is the most that may be trained, the final decay included."""

    every_steps: int  # between two looks at the validation set
    gain: float = 0.01  # share of the least error so far that a look has to win
    patience: int = 3  # looks in a row without that gain
    decay_steps: int  # over which the rate falls afterwards, by the optimiser's schedule

    def __post_init__(self) -> None:
        """Refuse what never looks or never ends."""
        if min(self.every_steps, self.patience, self.decay_steps) < 1 or not 0 <= self.gain < 1:
            raise ValueError("every_steps, patience and decay_steps >= 1 and gain within 0..1 needed")


class Plateau:
    """Remembers validation errors, and where the decay began."""

    def __init__(self, config: PlateauConfig, most_steps: int) -> None:
        """Nothing seen yet; the decay is shorter than `most_steps`."""
        self.config, self.most_steps = config, most_steps
        self.least: float | None = None
        self.misses = 0
        self.decay_from: int | None = None

    def due(self, step: int) -> bool:
        """Whether the validation set is to be looked at after `step` steps."""
        return self.decay_from is None and step % self.config.every_steps == 0

    def note(self, error: float, step: int) -> None:
        """Take an error in; the decay begins when patience or the time that is left ends."""
        if self.least is not None and error > (1 - self.config.gain) * self.least:
            self.misses += 1
        else:
            self.misses = 0
        self.least = error if self.least is None else min(self.least, error)
        if self.misses >= self.config.patience:
            self.decay_from = step

    def watch_time(self, step: int) -> None:
        """Begin the decay when only it still fits in."""
        if self.decay_from is None and step >= self.most_steps - self.config.decay_steps:
            self.decay_from = step

    @property
    def end(self) -> int:
        """Step at which the schedule ends; far away while there is still something to gain."""
        return NEVER if self.decay_from is None else self.decay_from + self.config.decay_steps

    def state(self) -> dict[str, float | int | None]:
        """For checkpoints."""
        return {"least": self.least, "misses": self.misses, "decay_from": self.decay_from}

    def restore(self, state: dict[str, float | int | None]) -> None:
        """Go on from `state`."""
        self.least = state["least"]
        self.misses = int(state["misses"] or 0)
        self.decay_from = None if state["decay_from"] is None else int(state["decay_from"])
