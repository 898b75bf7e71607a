"""Frames that cannot be read: left out and named, until they are too many for an accident."""

from lumde.errors import DataError

SHARE = 0.01  # of all frames


def most_damaged(frames: int) -> int:
    """How many of so many frames may be left out: one at least."""
    return max(1, int(frames * SHARE))


class Damage:
    """What could not be read so far, each problem once."""

    def __init__(self, frames: int) -> None:
        """`frames`: how many there are."""
        self.frames = frames
        self.problems: list[str] = []
        self._told = 0

    def note(self, problem: str) -> None:
        """Remember a problem; DataError, which names the first one, when there are too many."""
        if problem not in self.problems:
            self.problems.append(problem)
        if len(self.problems) > most_damaged(self.frames):
            raise DataError(
                f"{self.problems[0]}\n{len(self.problems)} frames cannot be used, more than {SHARE:.0%} of "
                f"{self.frames}: prepare the recording again, or take them out"
            )

    def news(self) -> list[str]:
        """Answer the problems that this did not answer before."""
        new = self.problems[self._told :]
        self._told = len(self.problems)
        return new
