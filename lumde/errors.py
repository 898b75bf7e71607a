"""Every error that reaches a user, with the exit code of its kind; a message says what, where, what to do."""

import re


class LumdeError(Exception):
    """Base of all errors shown without a traceback."""

    exit_code = 1


class UsageError(LumdeError):
    """The command line asks for something that cannot be done."""

    exit_code = 2


class ConfigError(UsageError):
    """A config file or override is wrong; the message carries the dotted key."""


class DataError(LumdeError):
    """A file, folder, camera or dataset cannot be used as asked."""

    exit_code = 3


class NothingUsable(DataError):
    """The files are sound, but no frame can be used as asked: too few, none moves, no neighbours."""


class CheckpointError(LumdeError):
    """A model, checkpoint or foreign weight file is damaged or does not fit."""

    exit_code = 4


class NumericsError(LumdeError):
    """Training produced non-finite numbers and could not recover."""

    exit_code = 5


class ResourceError(LumdeError):
    """Disk, memory or permissions are not sufficient."""

    exit_code = 6


class Interrupted(LumdeError):
    """A signal asked for a stop; state was saved first."""

    def __init__(self, message: str, exit_code: int) -> None:
        """Keep the shell's code for the signal: 130 Ctrl-C, 143 SIGTERM."""
        super().__init__(message)
        self.exit_code = exit_code

    def __reduce__(self) -> tuple[type["Interrupted"], tuple[str, int]]:
        """Travel between processes."""
        return Interrupted, (str(self), self.exit_code)


FAULTS = (LumdeError, OSError, MemoryError, RuntimeError)  # among them are those that `understood` knows


def understood(error: BaseException) -> LumdeError | None:
    """What a fault of files, disk or memory is to the user; None for any other, which is a bug of ours."""
    if isinstance(error, LumdeError):
        return error
    if isinstance(error, OSError):
        kind = DataError if isinstance(error, FileNotFoundError | IsADirectoryError) else ResourceError
        where = f"{error.filename}: " if error.filename else ""
        return kind(f"{where}{error.strerror or error}")
    if isinstance(error, MemoryError | RuntimeError) and (message := _lack_of_memory(error)):
        return ResourceError(message)
    return None


def _lack_of_memory(error: MemoryError | RuntimeError) -> str | None:
    """Tell what ran out of memory, None for any other fault; torch has no type of its own on the CPU."""
    text = str(error)
    if text.startswith("DataLoader worker"):
        return "a data worker was killed, most likely for lack of memory; use fewer loader.workers"
    if isinstance(error, MemoryError) or re.search("out of memory|can't allocate memory", text):
        where = text.partition(".")[0] if "CUDA" in text else "out of memory"
        return f"{where}; use a smaller batch or size"
    return None
