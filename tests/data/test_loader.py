import os
import signal
import time
from dataclasses import fields
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from memory_dataset import HEIGHT, WIDTH, MemoryDataset

from lumde.data.augment import AugmentConfig
from lumde.data.loader import Batches, LoaderConfig, order
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.errors import DataError

FIELDS = ("sources", "depth", "pose", "mask")


def make(workers: int = 0, count: int = 12, batch: int = 3, seed: int = 4, **dataset: int) -> Batches:
    snippets = Snippets(MemoryDataset(count, **dataset), SnippetConfig(height=HEIGHT, width=WIDTH), FIELDS)
    return Batches(snippets, LoaderConfig(batch=batch, workers=workers), AugmentConfig(), seed)


def assert_equal(a, b):
    for f in fields(a):
        left, right = getattr(a, f.name), getattr(b, f.name)
        equal = torch.equal(left, right) if isinstance(left, torch.Tensor) else left == right
        assert equal, f.name


def children() -> set[int]:
    task = Path(f"/proc/self/task/{os.getpid()}/children")
    return {int(pid) for pid in task.read_text().split()}


def test_an_epoch_visits_every_sample_once_and_epochs_differ():
    batches = make(count=11)  # 9 usable, 3 steps
    assert batches.steps_per_epoch == 3
    first = [key for step in range(3) for key in batches.at(step).keys]
    second = [key for step in range(3, 6) for key in batches.at(step).keys]
    assert sorted(first) == sorted(second) and len(set(first)) == 9 and first != second
    assert batches.snippets.dataset.epochs == [0, 1]


def test_order_is_stateless_and_depends_on_seed_and_epoch():
    np.testing.assert_array_equal(order(20, 3, 5), order(20, 3, 5))
    assert not np.array_equal(order(20, 3, 5), order(20, 3, 6))
    assert not np.array_equal(order(20, 3, 5), order(20, 4, 5))
    assert sorted(order(20, 3, 5)) == list(range(20))


def test_workers_and_resume_at_any_step_change_nothing():
    reference = [make().at(step) for step in range(8)]
    for workers in (0, 2):
        for start in (0, 5):
            stream = make(workers).iterate(start)
            for step, batch in enumerate(islice(stream, 3), start):
                assert_equal(batch, reference[step])
            stream.close()
    assert not torch.equal(reference[0].image, make(seed=5).at(0).image)  # the comparison can fail


def test_augmentation_never_repeats():
    batches = make(count=3, batch=1)  # one sample for ever
    seen = {batches.at(step).jittered.numpy().tobytes() for step in range(16)}
    flips = {bool(batches.at(step).flipped) for step in range(16)}
    assert len(seen) > 4 and flips == {True, False}


def test_a_set_smaller_than_a_batch_repeats_its_samples():
    batches = make(count=4, batch=5)
    assert batches.steps_per_epoch == 1
    keys = batches.at(0).keys
    assert len(keys) == 5 and set(keys) == {"clip/001", "clip/002"}


def test_closing_the_stream_ends_the_workers():
    before = children()
    stream = make(workers=2).iterate()
    next(stream)
    assert len(children() - before) == 2
    stream.close()
    assert_gone(before)


def assert_gone(before):
    """Other children than those before end soon; how soon is the machine's business."""
    deadline = time.monotonic() + 30
    while children() - before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not children() - before


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_is_left_out_named_and_replaced_by_the_next_that_can_be_read(workers):
    whole, batches = make(count=11), make(workers, count=11, broken=(6,))
    spoilt = {"clip/005", "clip/006", "clip/007"}  # as target or as source
    for step, found in enumerate(islice(batches.iterate(), 6)):
        keys = [whole.snippets.keys[i] for i in order(9, seed=4, epoch=step // 3)]
        first = step % 3 * 3
        wanted = [
            next(key for key in keys[place:] + keys[:place] if key not in spoilt)
            for place in range(first, first + 3)
        ]
        assert list(found.keys) == wanted
    assert batches.snippets.damage.news() == ["clip/006.png: damaged"]
    assert batches.snippets.damage.news() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_more_broken_images_than_one_in_a_hundred_end_the_run(workers):
    stream = make(workers, count=202, broken=(50, 100, 150)).iterate()
    with pytest.raises(DataError, match=r"(?s)clip/\d+.png: damaged\n3 frames .* 1% of 202"):
        list(islice(stream, 80))


def test_nothing_left_to_read_ends_the_run():
    with pytest.raises(DataError, match=r"clip/001.png: damaged; no other frame"):
        make(count=3, batch=1, broken=(1,)).at(0)


def test_meaningless_settings_are_refused():
    with pytest.raises(ValueError):
        LoaderConfig(batch=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_to_the_group_are_left_to_the_training_process(number):
    before = children()
    stream = make(workers=2).iterate()
    next(stream)
    for pid in children() - before:
        os.kill(pid, number)
    for step, batch in enumerate(islice(stream, 6), 1):
        assert_equal(batch, make().at(step))
    stream.close()
    assert_gone(before)
