from dataclasses import replace

import numpy as np
import pytest
import torch
from memory_dataset import BASELINE, HEIGHT, INTRINSICS, WIDTH, MemoryDataset

from lumde.data.resize import resize_depth, resize_image, resize_mask
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.errors import DataError
from lumde.structures import RIGHT

SAME = {"height": HEIGHT, "width": WIDTH}


def test_a_sample_carries_what_was_asked_for_and_its_sources_in_order():
    dataset = MemoryDataset(5)
    snippets = Snippets(dataset, SnippetConfig(**SAME, offsets=(1, -2)), ("sources", "depth", "pose"))
    assert [snippets[i]["key"] for i in range(len(snippets))] == ["clip/002", "clip/003"]
    sample = snippets[0]
    for s, position in enumerate((3, 0)):
        expected = dataset.read(dataset.targets[position]).image
        np.testing.assert_array_equal(sample["sources"][s].permute(1, 2, 0), expected)
    assert sample["depth"].shape == (1, HEIGHT, WIDTH) and sample["depth"].dtype == torch.float32
    # the camera moves to the right: in the next frame (1 m on) everything lies 1 m farther to the left
    np.testing.assert_allclose(sample["source_from_target"][:, :3, 3], [[-1, 0, 0], [2, 0, 0]])
    assert "sources" not in Snippets(dataset, SnippetConfig(**SAME), ())[0]


def test_gaps_and_ends_are_respected_and_counted():
    snippets = Snippets(MemoryDataset(8, missing=[4]), SnippetConfig(**SAME), ("sources",))
    assert [snippets[i]["key"][-1] for i in range(len(snippets))] == ["1", "2", "6"]
    report = dict.fromkeys(("no_partner", "static", "unreadable"), 0)
    assert snippets.report == report | {"frames": 7, "no_neighbour": 4, "usable": 3}


def test_all_methods_can_be_given_the_same_frames():
    dataset = MemoryDataset(8, missing=[4])
    with_sources = Snippets(dataset, SnippetConfig(**SAME), ("sources",))
    alone = Snippets(dataset, SnippetConfig(**SAME, neighbours=True), ())
    assert alone.keys == with_sources.keys and len(Snippets(dataset, SnippetConfig(**SAME), ())) == 7
    assert "sources" not in alone[0]


def test_static_frames_are_left_out_by_measured_motion():
    dataset = MemoryDataset(8, still=4)  # frames 0..4 look the same
    snippets = Snippets(dataset, SnippetConfig(**SAME, min_motion=0.01), ("sources",))
    assert snippets.report["static"] == 3  # 1, 2, 3: neither neighbour differs; 4 sees 5
    assert snippets[0]["key"] == "clip/004"
    everything = Snippets(dataset, SnippetConfig(**SAME), ("sources",))
    assert everything.report["static"] == 0


def test_nothing_left_says_why():
    with pytest.raises(DataError, match=r"of 2 frames 2 lack a neighbour.*smaller offsets"):
        Snippets(MemoryDataset(2), SnippetConfig(**SAME), ("sources",))
    with pytest.raises(DataError, match=r"4 are static \(min_motion 0.5\)"):
        Snippets(MemoryDataset(6, still=9), SnippetConfig(**SAME, min_motion=0.5), ("sources",))
    dataset = MemoryDataset(6, still=9)
    dataset.targets = dataset.targets[1:5]
    with pytest.raises(DataError, match=r"all 4 frames hardly differ .*nothing moves"):
        Snippets(dataset, SnippetConfig(**SAME, min_motion=0.5), ("sources",))
    with pytest.raises(DataError, match="holds no frame"):
        Snippets(MemoryDataset(0), SnippetConfig(**SAME))


def test_a_field_that_the_dataset_lacks_is_refused():
    dataset = MemoryDataset(4)
    dataset.provides = ("sources",)
    with pytest.raises(DataError, match="gives no depth"):
        Snippets(dataset, SnippetConfig(**SAME), ("depth",))


def test_a_frame_without_mask_or_depth_counts_as_unmasked_and_unmeasured():
    dataset = MemoryDataset(1)
    full = dataset.read(dataset.targets[0])
    dataset.read = lambda key: replace(full, mask=None, depth=None)
    sample = Snippets(dataset, SnippetConfig(**SAME), ("mask", "depth"))[0]
    assert sample["mask"].all() and not sample["depth"].any()


def test_masks_come_along_unasked():
    mask = Snippets(MemoryDataset(1), SnippetConfig(**SAME))[0]["mask"]
    assert mask.shape == (1, HEIGHT, WIDTH) and not mask[..., :4].any() and mask[..., 4:].all()
    masks = Snippets(MemoryDataset(3), SnippetConfig(**SAME, stereo=True), ("sources",))[0]["source_masks"]
    assert masks.shape == (3, HEIGHT, WIDTH) and not masks[:2, :, :4].any() and masks[:2, :, 4:].all()
    assert masks[2].all(), "masks are those of left pictures"


def test_the_stereo_partner_is_the_last_source_with_its_baseline():
    dataset = MemoryDataset(3)
    snippets = Snippets(dataset, SnippetConfig(**SAME, stereo=True), ("sources",))
    assert snippets.offsets == (-1, 1, RIGHT)
    sample = snippets[0]
    np.testing.assert_array_equal(sample["sources"][2], sample["image"].flip(-1))
    assert sample["source_from_target"][2, 0, 3] == -BASELINE
    alone = Snippets(dataset, SnippetConfig(**SAME, offsets=(), stereo=True), ("sources",))
    assert len(alone) == 3 and alone.offsets == (RIGHT,)


def test_frames_without_a_stereo_partner_are_left_out_and_counted():
    dataset = MemoryDataset(5)
    dataset.has_partner = lambda key: key.position != 2
    snippets = Snippets(dataset, SnippetConfig(**SAME, stereo=True), ("sources",))
    assert [snippets[i]["key"][-1] for i in range(len(snippets))] == ["1", "3"]
    assert snippets.report["no_partner"] == 1
    dataset.has_partner = lambda key: False
    with pytest.raises(DataError, match="3 a stereo partner"):
        Snippets(dataset, SnippetConfig(**SAME, stereo=True), ("sources",))


def test_intrinsics_follow_the_resize():
    sample = Snippets(MemoryDataset(1), SnippetConfig(height=4, width=32))[0]
    expected = [[20, 0, 7.5 * 2 - 0.5], [0, 5, 3.5 / 2 - 0.5], [0, 0, 1]]
    np.testing.assert_allclose(sample["intrinsics"], expected)
    assert sample["image"].shape == (3, 4, 32)
    np.testing.assert_allclose(Snippets(MemoryDataset(1), SnippetConfig(**SAME))[0]["intrinsics"], INTRINSICS)


def test_image_resize_averages_the_footprint():
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, ::2] = 200
    small = resize_image(image, (2, 4))[:, :, 1:-1].numpy()
    assert (abs(small.astype(int) - 100) <= 13).all()  # sampling alone would give 0 or 200


def test_depth_resize_samples_dense_maps_and_keeps_sparse_points():
    dense = np.arange(1, 17, dtype=np.float32).reshape(4, 4)
    np.testing.assert_array_equal(resize_depth(dense, (2, 2)), [[6, 8], [14, 16]])
    np.testing.assert_array_equal(resize_depth(dense, (8, 8))[::2, 1::2], dense)
    sparse = np.zeros((4, 4), np.float32)
    sparse[0, 0], sparse[0, 1], sparse[3, 3] = 7, 5, 2
    np.testing.assert_array_equal(resize_depth(sparse, (2, 2)), [[5, 0], [0, 2]])
    assert not resize_depth(np.zeros((4, 4), np.float32), (2, 2)).any()


def test_mask_resize_drops_pixels_that_mix_with_masked_ones():
    mask = np.ones((4, 8), np.bool_)
    mask[:, 0] = False
    assert resize_mask(mask, (2, 4))[0].tolist() == [[False, True, True, True]] * 2
    assert resize_mask(np.ones((7, 9), np.bool_), (3, 4)).all()


@pytest.mark.parametrize(
    "wrong", [{"offsets": (0,)}, {"offsets": (1, 1)}, {"height": 0}, {"min_motion": 2.0}]
)
def test_meaningless_settings_are_refused(wrong):
    with pytest.raises(ValueError):
        SnippetConfig(**{**SAME, **wrong})


@pytest.mark.parametrize(
    ("budget", "in_memory", "reads"), [(1 << 20, False, 1), (100, False, 2), (1 << 20, True, 2)]
)
def test_a_small_set_is_decoded_once(monkeypatch, budget, in_memory, reads):
    """What does not fit as a whole, or costs no decoding, is read anew; kept samples stay as they were."""
    monkeypatch.setattr("lumde.data.snippets.KEPT_BYTES", budget)
    dataset, seen = MemoryDataset(3), []
    dataset.decodes = not in_memory
    snippets = Snippets(dataset, SnippetConfig(**SAME, offsets=()), ("depth",))
    read = dataset.read
    monkeypatch.setattr(dataset, "read", lambda key: seen.append(key) or read(key))
    first = snippets[1]
    first.pop("depth")
    again = snippets[1]
    assert len(seen) == reads and "depth" in again
    assert torch.equal(first["image"], again["image"])
