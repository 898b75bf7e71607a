"""What a run tells: progress on stderr, metrics.jsonl, TensorBoard scalars and pictures.

Pictures and TensorBoard are not worth a training run: when their disk is full they fall silent, once, aloud.
"""

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tensorboardX import SummaryWriter
from torch import Tensor
from tqdm import tqdm

from lumde.files import write_text


class RunLog:
    """Writers of one run folder; use as a context manager."""

    def __init__(self, folder: Path, steps: int, start: int, quiet: bool = False) -> None:
        """Open the files, cutting metrics that a resumed run is about to write again."""
        self.metrics = folder / "metrics.jsonl"
        _keep_before(self.metrics, start)
        self.board: SummaryWriter | None = SummaryWriter(str(folder))
        self.tty = sys.stderr.isatty()
        self.bar = tqdm(
            total=steps, initial=start, disable=quiet or not self.tty, unit="step", file=sys.stderr
        )
        self.quiet = quiet
        self.started, self.start = time.monotonic(), start

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()
        if self.board is not None:
            self.board.close()

    def set_total(self, steps: int) -> None:
        """Correct the total once a budget in minutes has been turned into steps."""
        self.bar.total = steps
        self.bar.refresh()

    def say(self, text: str) -> None:
        """Talk to the user on stderr."""
        if not self.quiet:
            self.bar.write(text, file=sys.stderr)

    def left_out(self, problems: Sequence[str]) -> None:
        """Name the frames that cannot be used."""
        for problem in problems:
            self.say(f"left out: {problem}")

    def advance(self) -> None:
        """Move the bar by one step."""
        self.bar.update(1)

    def scalars(self, step: int, values: Mapping[str, float], wait_share: float) -> None:
        """Log one step everywhere; `wait_share` of the time went into waiting for data."""
        self._record(step, values)
        total = values.get("loss", math.nan)
        self.bar.set_postfix_str(f"loss {total:.4f}, data wait {wait_share:.0%}")
        if not self.tty and not self.quiet:
            self._plain_line(step, total, wait_share)

    def validation(self, step: int, values: Mapping[str, float]) -> None:
        """Log what a look at the student told."""
        self._record(step, values)
        self.say(f"step {step + 1}: " + "  ".join(f"{name} {value:.4f}" for name, value in values.items()))

    def pictures(self, step: int, pictures: Mapping[str, Tensor]) -> None:
        """Log pictures, RGB in [0, 1]."""
        arrays = {
            name: picture.detach().float().clamp(0, 1).cpu().numpy() for name, picture in pictures.items()
        }
        self._to_board("add_image", arrays, step)

    def _record(self, step: int, values: Mapping[str, float]) -> None:
        row = {"step": step, **{k: v if math.isfinite(v) else None for k, v in values.items()}}
        with self.metrics.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        self._to_board("add_scalar", {k: v for k, v in values.items() if math.isfinite(v)}, step)

    def _to_board(self, call: str, values: Mapping[str, Any], step: int) -> None:
        if self.board is None:
            return
        try:
            for name, value in values.items():
                getattr(self.board, call)(name, value, step)
        except OSError as error:
            self.board = None
            self.say(f"TensorBoard log given up ({error.strerror}); training goes on")

    def _plain_line(self, step: int, total: float, wait_share: float) -> None:
        done = max(1, step + 1 - self.start)
        pace = done / max(1e-9, time.monotonic() - self.started)
        known = self.bar.total  # 0 while a budget in minutes is still being timed
        end = f"ETA {(known - step - 1) / pace / 60:.1f} min" if known else "ETA follows"
        print(
            f"step {step + 1}{f'/{known}' if known else ''}  loss {total:.4f}  {pace:.2f} it/s  "
            f"{end}  data wait {wait_share:.0%}",
            file=sys.stderr,
        )


def to_numbers(values: Mapping[str, Tensor | float]) -> dict[str, float]:
    """Turn a dict of scalars into plain numbers with one transfer from the device."""
    names = list(values)
    if not names:
        return {}
    stacked = torch.stack([torch.as_tensor(values[n]).detach().float().cpu().reshape(()) for n in names])
    return dict(zip(names, stacked.tolist(), strict=True))


def _keep_before(path: Path, start: int) -> None:
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # a line cut by a crash
        if row.get("step", start) < start:
            kept.append(line + "\n")
    write_text(path, "".join(kept))
