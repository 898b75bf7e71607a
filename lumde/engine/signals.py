"""Ctrl-C and SIGTERM finish the step and save; a second signal stops at once."""

import signal
from types import FrameType, TracebackType

from lumde.errors import Interrupted

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class StopRequest:
    """Context in which the first signal only sets `received`; outside it, signals act as before."""

    def __init__(self) -> None:
        """Start with no signal seen."""
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "StopRequest":
        for number in EXIT_CODES:
            try:
                self._before[number] = signal.signal(number, self._note)
            except ValueError:  # not the main thread: signals stay with whoever owns it
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise Interrupted("stopped at once by a second signal", EXIT_CODES[signal.Signals(number)])
        self.received = signal.Signals(number)

    def raise_if_received(self, message: str) -> None:
        """Raise Interrupted with the signal's exit code, if one came."""
        if self.received is not None:
            raise Interrupted(f"{self.received.name}: {message}", EXIT_CODES[self.received])
