"""A budget in minutes as a number of steps: measured on the first ones, and again when more is known."""

import math
import statistics

WARMUP_TIMED = 5  # first steps that are slower than the rest (allocation, caches)
# The budget is calibrated on at least so many steps after them, and that share of it, since data may be
# made ready in the background at first; on fewer steps where they would eat the budget.
TIMED, LEAST_TIMED = 60, 15
TIMED_SHARE, MOST_SHARE = 0.03, 0.1
# Of the budget, after which the number of steps is set right, the last time for good; also after a third of
# those steps, if that is sooner: a machine that was busy at first would leave most of the budget unused.
REVIEW_SHARES = (1 / 3, 2 / 3)


class Pace:
    """Watches how long steps take, and says how many the budget holds."""

    def __init__(self, minutes: float) -> None:
        """A budget; 0 = none, steps are given."""
        self.budget = 60 * minutes
        self._paces: list[float] = []  # seconds of each step so far
        self._review_at: int | None = None  # step; None = nothing was found yet
        self._shares = list(REVIEW_SHARES)  # that are to come

    def total(self, step: int, last: float, spent: float) -> int | None:
        """How many steps there shall be in all, when that is found or set right; else None.

        Args:
            step: steps that are done.
            last: seconds that the last one took.
            spent: seconds so far.
        """
        if not self.budget:
            return None
        self._paces.append(last)
        late = spent >= self._shares[0] * self.budget
        if not (self._known(spent) if self._review_at is None else late or step >= self._review_at):
            return None
        timed = self._paces[WARMUP_TIMED:]
        pace = statistics.mean(timed[len(timed) // 2 :])
        left = max(1, int((self.budget - spent) / pace))
        if self._review_at is not None and late:
            self._shares.pop(0)
        if not self._shares:
            self.budget = 0.0
        self._review_at = step + math.ceil(left / 3)
        return step + left

    def _known(self, spent: float) -> bool:
        """Whether enough steps were timed."""
        timed = len(self._paces) - WARMUP_TIMED
        enough = timed >= TIMED and spent > TIMED_SHARE * self.budget
        return enough or (timed >= LEAST_TIMED and spent > MOST_SHARE * self.budget)
