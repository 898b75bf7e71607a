import numpy as np
import torch
from memory_dataset import HEIGHT, WIDTH, MemoryDataset
from torch.utils.data import default_collate

from lumde.data.augment import AugmentConfig, to_batch
from lumde.data.crop import cropped
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.geometry.camera import backproject

FIELDS = ("sources", "depth", "pose", "mask")


def _samples():
    snippets = Snippets(MemoryDataset(6), SnippetConfig(height=HEIGHT, width=WIDTH), FIELDS)
    return default_collate([snippets[i] for i in range(4)])


def test_the_whole_picture_in_its_own_shape_stays_as_it_is():
    samples = _samples()
    same = cropped(samples, [(HEIGHT, WIDTH)], 1.0, np.random.default_rng(0))
    for name, value in samples.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(same[name], value, atol=1e-4, rtol=0, msg=name)


def test_a_window_is_a_camera_that_sees_the_same_points():
    """x of each pixel's ray is written into depth: after cropping the new camera must find it again."""
    height, width = 48, 96
    camera = torch.tensor([[[60.0, 0, 47.5], [0, 55.0, 23.5], [0, 0, 1.0]]]).repeat(3, 1, 1)
    rays = backproject(torch.ones(3, 1, height, width), camera)
    samples = {
        "image": torch.zeros(3, 3, height, width, dtype=torch.uint8),
        "intrinsics": camera,
        "depth": rays[:, :1] + 2.0,
    }
    for seed in range(5):
        window = cropped(samples, [(32, 32), (32, 64)], 2.0, np.random.default_rng(seed))
        found = backproject(torch.ones_like(window["depth"]), window["intrinsics"])[:, :1] + 2.0
        step = 1 / 60.0  # the nearest stored pixel is at most half of one away
        assert (found - window["depth"]).abs().max() <= 0.51 * step
        assert window["depth"].shape[-2:] in ((32, 32), (32, 64))


def test_a_batch_has_one_shape_and_samples_have_windows_of_their_own():
    config = AugmentConfig(flip=0.0, jitter=0.0, windows=((32, 32), (32, 64)), zoom=2.0)
    shapes = set()
    for seed in range(8):
        batch = to_batch(_samples(), config, (0, seed), (-1, 1))
        shapes.add(tuple(batch.image.shape[-2:]))
        assert (
            batch.sources.shape[-2:]
            == batch.depth.shape[-2:]
            == batch.mask.shape[-2:]
            == batch.image.shape[-2:]
        )
        assert len(batch.intrinsics[:, 0, 0].unique()) > 1
    assert shapes == {(32, 32), (32, 64)}


def test_a_masked_pixel_spoils_the_pixels_it_mixes_into():
    samples = _samples()
    samples["mask"][:, :, :, : WIDTH // 2] = False
    window = cropped(samples, [(32, 32)], 1.0, np.random.default_rng(1))
    share = window["mask"].float().mean()
    assert 0 <= share < 1 and window["mask"].dtype == torch.bool


def test_faded_samples_have_no_colour_and_others_keep_theirs():
    samples = _samples()
    batch = to_batch(samples, AugmentConfig(flip=0.0, jitter=0.0, grey=1.0), (0, 1), (-1, 1))
    assert (batch.jittered.amax(1) - batch.jittered.amin(1)).max() < 1e-6
    assert (batch.sources_jittered.amax(2) - batch.sources_jittered.amin(2)).max() < 1e-6
    torch.testing.assert_close(batch.image * 255, samples["image"].float())
    white = torch.tensor([0.299, 0.587, 0.114])
    expected = (samples["image"][0].float() / 255 * white[:, None, None]).sum(0)
    torch.testing.assert_close(batch.jittered[0, 0], expected)
