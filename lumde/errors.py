"""Every error that reaches a user, with the exit code of its kind; a message says what, where, what to do."""


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
