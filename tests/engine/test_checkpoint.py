"""A full disk takes nothing that was saved before."""

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lumde.engine import checkpoint
from lumde.errors import ResourceError
from lumde.models import DepthModel


@pytest.fixture
def files_of_1_mb() -> Iterator[None]:
    """Let no file of this process grow beyond 1 MB, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("files_of_1_mb")
def test_a_full_disk_is_exit_6_and_keeps_the_last_checkpoint(tmp_path: Path, tiny_model: DepthModel) -> None:
    checkpoint.save(tmp_path, tiny_model, checkpoint.TrainState(1, {"method.w": torch.ones(1000)}, {}))
    large = checkpoint.TrainState(2, {"method.w": torch.ones(1_000_000)}, {})
    with pytest.raises(ResourceError, match=r"step-2: cannot be written \(.*too large"):
        checkpoint.save(tmp_path, tiny_model, large)
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]
    found = checkpoint.newest(tmp_path)
    assert found is not None
    assert found[0].step == 1


def test_as_many_checkpoints_stay_as_asked(tmp_path: Path, tiny_model: DepthModel) -> None:
    for step in range(1, 6):
        checkpoint.save(tmp_path, tiny_model, checkpoint.TrainState(step, {}, {}), keep=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-3", "step-4", "step-5"]


def test_what_lies_ahead_of_a_resumed_run_does_not_outlive_its_own_checkpoints(
    tmp_path: Path, tiny_model: DepthModel
) -> None:
    """A damaged checkpoint was skipped: the run goes on before it, and the damaged one is no newer state."""
    for step in (500, 1000):
        checkpoint.save(tmp_path, tiny_model, checkpoint.TrainState(step, {}, {}), keep=2)
    (tmp_path / "step-1000" / "state.safetensors").write_bytes(b"")
    checkpoint.save(tmp_path, tiny_model, checkpoint.TrainState(600, {}, {}), keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-600"]


def test_a_rewind_passes_over_what_was_saved_amid_bad_steps(tmp_path: Path, tiny_model: DepthModel) -> None:
    for step in (100, 110):
        checkpoint.save(tmp_path, tiny_model, checkpoint.TrainState(step, {}, {}), keep=2)

    def found(before: int | None) -> int:
        state = checkpoint.newest(tmp_path, before)
        assert state is not None
        return state[0].step

    assert (found(None), found(105), found(99)) == (110, 100, 110)
    (tmp_path / "step-100" / "state.safetensors").write_bytes(b"")
    assert found(105) == 110
