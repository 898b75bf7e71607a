"""One process at a time in a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from lumde.errors import UsageError

WAIT_FOR_LOCK = 30.0  # seconds; a run that was just told to stop saves its state first


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder; the system frees the lock of a process that dies.

    Raises:
        UsageError: another process works there, and does not end within WAIT_FOR_LOCK.
    """
    file = folder / ".lock"
    lock = FileLock(file, timeout=WAIT_FOR_LOCK)
    try:
        lock.acquire()
    except Timeout as error:
        raise UsageError(f"{folder}: another process is at work in it; let it end, or stop it") from error
    except (NotImplementedError, OSError):
        pass  # some network disks know no locks
    try:
        yield
    finally:
        with suppress(OSError):  # the folder is gone, say
            if list(folder.iterdir()) == [file]:  # of a job that was refused before it wrote anything
                file.unlink()
        lock.release()


def at_work(process: int) -> bool:
    """Whether another process of that number lives."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # somebody else's
    return True
