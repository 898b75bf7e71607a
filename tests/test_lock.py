"""Two processes never work in one folder."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lumde import lock
from lumde.errors import UsageError
from lumde.lock import locked

HOLD = (
    "import sys, time; from pathlib import Path; from lumde.lock import locked\n"
    "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)


def test_another_process_is_kept_out_until_the_first_ends_or_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    monkeypatch.setattr(lock, "WAIT_FOR_LOCK", 0.1)
    with pytest.raises(UsageError, match="another process is at work in it"), locked(tmp_path):
        pytest.fail("entered a folder that is in use")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(tmp_path):
        pass
    with locked(tmp_path):  # and again
        pass
