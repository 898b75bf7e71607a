"""Exit codes are part of the contract."""

import pytest

from lumde import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.UsageError, 2),
        (errors.ConfigError, 2),
        (errors.DataError, 3),
        (errors.CheckpointError, 4),
        (errors.NumericsError, 5),
        (errors.ResourceError, 6),
    ],
)
def test_each_kind_has_its_exit_code(kind: type[errors.LumdeError], code: int) -> None:
    assert kind("x").exit_code == code
    assert issubclass(kind, errors.LumdeError)


def test_an_interruption_carries_the_shells_code() -> None:
    assert errors.Interrupted("saved", 143).exit_code == 143


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (FileNotFoundError(2, "No such file", "x.yaml"), errors.DataError, "x.yaml: No such file"),
        (OSError(28, "No space left on device", "y"), errors.ResourceError, "y: No space left on device"),
        (MemoryError(), errors.ResourceError, "out of memory; use a smaller batch or size"),
        (RuntimeError("CUDA out of memory. Tried"), errors.ResourceError, "CUDA out of memory; use"),
        (errors.ConfigError("as it is"), errors.ConfigError, "as it is"),
    ],
)
def test_faults_of_the_machine_are_told_as_ours_are(error, kind, message) -> None:
    found = errors.understood(error)
    assert type(found) is kind and str(found).startswith(message)


def test_a_bug_stays_a_bug() -> None:
    assert errors.understood(RuntimeError("shape mismatch")) is None
    assert errors.understood(KeyError("loss")) is None
