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
