import dataclasses
import json

import torch
from torch import nn

from lumde.engine.guard import Guard, bad_field, copy_buffers, restore_buffers
from lumde.structures import FrameBatch


def _batch() -> FrameBatch:
    image = torch.rand(1, 3, 4, 6)
    return FrameBatch(
        image=image, jittered=image, intrinsics=torch.eye(3)[None], depth=torch.ones(1, 1, 4, 6)
    )


def test_a_single_bad_pixel_is_found_and_named() -> None:
    batch = _batch()
    assert bad_field(batch) is None
    depth = torch.ones(1, 1, 4, 6)
    depth[0, 0, 1, 2] = torch.nan
    assert bad_field(dataclasses.replace(batch, depth=depth)) == "depth"


def test_buffers_come_back_after_a_poisoned_forward() -> None:
    norm = nn.BatchNorm2d(2)
    before = copy_buffers(norm)
    norm(torch.full((1, 2, 3, 3), torch.nan))
    assert torch.isnan(norm.running_mean).all()  # the control: a forward pass alone poisons
    restore_buffers(norm, before)
    assert torch.equal(norm.running_mean, torch.zeros(2))
    assert int(norm.num_batches_tracked) == 0


def test_spikes_are_judged_against_recent_losses() -> None:
    guard = Guard()
    assert not guard.is_spike(1e9)  # nothing to compare with yet
    for i in range(120):
        guard.note_good(1.0 + 0.01 * (i % 5))
    assert not guard.is_spike(2.0)
    assert guard.is_spike(30.0)


def test_gives_up_after_many_bad_steps_in_a_row_only() -> None:
    guard = Guard()
    for _ in range(24):
        guard.note_bad("student: loss is nan")
    assert not guard.lost
    guard.note_good(1.0)
    guard.note_bad("batch: non-finite main.image")
    assert not guard.lost
    for _ in range(24):
        guard.note_bad("student: loss is nan")
    assert guard.lost
    assert guard.counts() == {"bad_batches": 1, "bad_steps": 48, "spikes": 0, "rewinds": 0}


def test_gives_up_when_more_than_one_step_in_a_hundred_is_bad() -> None:
    guard = Guard()
    for step in range(1000):
        guard.note_bad("student: loss is nan") if step % 100 == 0 else guard.note_good(1.0)
    assert not guard.lost  # ten of a thousand
    guard.note_bad("student: loss is nan")
    guard.note_bad("student: loss is nan")
    assert guard.lost


def test_a_new_term_is_no_spike() -> None:
    guard = Guard()
    for _ in range(150):
        assert not guard.is_spike(0.1, ("a",))
        guard.note_good(0.1, ("a",))
    assert guard.is_spike(5.0, ("a",))
    assert not guard.is_spike(5.0, ("a", "b"))


def test_a_term_that_joins_every_few_steps_leaves_the_guard_awake() -> None:
    guard = Guard()
    for step in range(500):
        terms = ("a", "critic") if step % 4 == 3 else ("a",)
        guard.note_good(3.0 if step % 4 == 3 else 0.1, terms)
    assert guard.is_spike(5.0, ("a",)) and not guard.is_spike(5.0, ("a", "critic"))
    assert guard.is_spike(50.0, ("a", "critic"))


def test_a_stored_guard_decides_as_the_one_that_went_on() -> None:
    guard = Guard()
    for step in range(990):
        guard.note_good(0.1 + 0.001 * (step % 7), ("a",))
    for _ in range(7):
        guard.note_bad("spike: loss 9")
    for _ in range(3):
        guard.note_bad("batch: non-finite main.image")
    restored = Guard.restored(json.loads(json.dumps(guard.state())))
    assert restored == guard and not guard.lost
    assert restored.is_spike(5.0, ("a",)) and not Guard(**guard.counts()).is_spike(5.0, ("a",))
    restored.note_bad("spike: loss 9")
    assert restored.lost, "eleven of the last thousand"
