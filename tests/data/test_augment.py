import colorsys

import numpy as np
import pytest
import torch
from memory_dataset import HEIGHT, WIDTH, MemoryDataset
from torch.utils.data import default_collate

from lumde.data.augment import AugmentConfig, Colours, jitter_images, to_batch
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.geometry.warp import warp

OFFSETS = (-1, 1)
FIELDS = ("sources", "depth", "pose", "mask")


@pytest.fixture
def samples():
    snippets = Snippets(MemoryDataset(6), SnippetConfig(height=HEIGHT, width=WIDTH, offsets=OFFSETS), FIELDS)
    return default_collate([snippets[i] for i in range(4)])


def test_without_augmentation_pixels_are_the_recorded_ones(samples):
    batch = to_batch(samples, None, (0, 0), OFFSETS)
    torch.testing.assert_close(batch.image * 255, samples["image"].float())
    assert batch.jittered is batch.image and batch.flipped is None
    assert batch.keys == ("clip/001", "clip/002", "clip/003", "clip/004") and batch.offsets == OFFSETS


def test_sources_without_a_masked_pixel_need_no_masks(samples):
    assert not to_batch(samples, None, (0, 0), OFFSETS).source_masks[..., :4].any()
    samples["source_masks"][:] = True
    assert to_batch(samples, None, (0, 0), OFFSETS).source_masks is None


def test_a_flip_mirrors_every_field(samples):
    plain = to_batch(samples, None, (0, 0), OFFSETS)
    flipped = to_batch(samples, AugmentConfig(flip=1.0, jitter=0.0), (0, 0), OFFSETS)
    assert flipped.flipped.all()
    for name in ("image", "jittered", "sources", "sources_jittered", "depth", "mask", "source_masks"):
        assert torch.equal(getattr(flipped, name), getattr(plain, name).flip(-1)), name
    torch.testing.assert_close(flipped.intrinsics[:, 0, 2], (WIDTH - 1) - plain.intrinsics[:, 0, 2])
    assert torch.equal(flipped.intrinsics[:, 1], plain.intrinsics[:, 1])
    assert torch.equal(flipped.source_from_target[..., 0, 3], -plain.source_from_target[..., 0, 3])


def test_a_flipped_snippet_is_as_consistent_as_the_plain_one(samples):
    """Warping and mirroring commute: the geometry of a mirrored snippet is a mirrored geometry."""
    turned = torch.linalg.matrix_exp(torch.tensor([[0, 0.05, -0.1], [-0.05, 0, 0.02], [0.1, -0.02, 0]]))
    samples["source_from_target"][:, :, :3, :3] = turned
    samples["source_from_target"][:, :, 1, 3] = 0.1
    plain = to_batch(samples, None, (0, 0), OFFSETS)
    flipped = to_batch(samples, AugmentConfig(flip=1.0, jitter=0.0), (0, 0), OFFSETS)

    def seen(batch):
        return warp(batch.sources[:, 1], batch.depth, batch.source_from_target[:, 1], batch.intrinsics).image

    torch.testing.assert_close(seen(flipped), seen(plain).flip(-1), atol=1e-4, rtol=0)


def test_flips_are_drawn_per_sample(samples):
    batch = to_batch(samples, AugmentConfig(flip=0.5, jitter=0.0), (1, 5), OFFSETS)
    plain = to_batch(samples, None, (0, 0), OFFSETS)
    assert 0 < batch.flipped.sum() < 4
    for i, flipped in enumerate(batch.flipped):
        assert torch.equal(batch.image[i], plain.image[i].flip(-1) if flipped else plain.image[i])


def test_jitter_leaves_clean_images_and_changes_all_frames_of_a_snippet_alike(samples):
    samples["sources"] = samples["image"][:, None].repeat(1, 2, 1, 1, 1)  # three equal frames
    batch = to_batch(samples, AugmentConfig(flip=0.0, jitter=1.0), (0, 3), OFFSETS)
    torch.testing.assert_close(batch.image * 255, samples["image"].float())
    assert (batch.jittered - batch.image).abs().flatten(1).mean(1).min() > 0.01
    for s in range(2):
        torch.testing.assert_close(batch.sources_jittered[:, s], batch.jittered)
    assert batch.jittered.min() >= 0 and batch.jittered.max() <= 1


def test_the_same_seed_gives_the_same_batch_and_leaves_global_randomness_alone(samples):
    config = AugmentConfig()
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - the global generator is what must not move
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, again = (to_batch(samples, config, (2, 7), OFFSETS) for _ in range(2))
    other = to_batch(samples, config, (2, 8), OFFSETS)
    assert torch.equal(first.jittered, again.jittered) and torch.equal(first.flipped, again.flipped)
    assert not torch.equal(first.jittered, other.jittered)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def one_change(name: str, factor: float, images: torch.Tensor) -> torch.Tensor:
    return jitter_images(images, Colours(np.array([True]), {name: np.array([factor])}, (name,)))


def test_the_colour_operations_are_those_of_the_paper():
    images = torch.rand(1, 2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(one_change("brightness", 1.2, images), (1.2 * images).clamp(0, 1))
    grey = (images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(2, keepdim=True)
    saturated = (1.3 * images - 0.3 * grey).clamp(0, 1)
    torch.testing.assert_close(one_change("saturation", 1.3, images), saturated, atol=1e-3, rtol=0)
    mean = grey.mean((-1, -2), keepdim=True)
    torch.testing.assert_close(
        one_change("contrast", 0.8, images), 0.8 * images + 0.2 * mean, atol=1e-3, rtol=0
    )
    red, green, blue = images[0, 1, :, 2, 3].tolist()
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    expected = colorsys.hsv_to_rgb((hue + 0.1) % 1, saturation, value)
    np.testing.assert_allclose(one_change("hue", 0.1, images)[0, 1, :, 2, 3], expected, atol=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [{"flip": 1.5}, {"jitter": -0.1}, {"hue": 0.7}, {"contrast": 2.0}, {"jpeg": 101}, {"vignette": 1.0}],
)
def test_meaningless_settings_are_refused(wrong):
    with pytest.raises(ValueError):
        AugmentConfig(**wrong)


FAULTS = {"noise": 0.1, "blur": 2.0, "slope": 0.5, "vignette": 0.5, "jpeg": 20}


def test_a_camera_s_faults_touch_the_network_s_pictures_only(samples):
    plain = to_batch(samples, None, (0, 0), OFFSETS)
    config = AugmentConfig(flip=0.0, jitter=0.0, **FAULTS)
    batches = [to_batch(samples, config, (3, step), OFFSETS) for step in range(8)]
    changed = torch.stack([(b.jittered - plain.image).abs().mean((1, 2, 3)) for b in batches])
    for batch in batches:
        assert torch.equal(batch.image, plain.image) and torch.equal(batch.sources_jittered, plain.sources)
        assert batch.jittered.min() >= 0 and batch.jittered.max() <= 1
    assert 0.001 < changed.max() < 0.4
    again = to_batch(samples, config, (3, 0), OFFSETS)
    assert torch.equal(again.jittered, batches[0].jittered)
