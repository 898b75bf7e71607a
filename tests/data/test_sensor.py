import numpy as np
import pytest
import torch

from lumde.data.sensor import compressed, degraded, sloped, vignetted

ANY = torch.rand(200, 3, 8, 12, generator=torch.Generator().manual_seed(0))
SMOOTH = torch.linspace(0, 1, 32).expand(64, 3, 24, 32)


def _change(images, other):
    return (images - other).abs().flatten(1).amax(1)


@pytest.mark.parametrize("blur, noise", [(0.0, 0.2), (2.0, 0.0)])
def test_half_of_the_pictures_stay_sharp_or_clean(blur, noise):
    same = _change(degraded(ANY, blur, noise, np.random.default_rng(0)), ANY) < 1e-4
    assert 0.4 < same.float().mean().item() < 0.6


def test_light_falls_off_by_the_stated_factor_and_its_middle_stays():
    images = torch.full((16, 3, 9, 9), 0.1)
    lit = sloped(images, 1.0, np.random.default_rng(0))
    torch.testing.assert_close(lit[:, :, 4, 4], images[:, :, 4, 4])
    edges = (lit[:, 0, :, :] / 0.1).log().abs().amax((1, 2))  # corners add both axes up
    assert edges.max() <= 2**0.5 + 1e-5 and edges.max() > 0.8 and edges.min() < 0.4
    torch.testing.assert_close(lit[:, 0, 0, 4] * lit[:, 0, 8, 4], torch.full((16,), 0.01))
    assert torch.equal(lit[:, 0], lit[:, 1])


def test_corners_lose_at_most_the_stated_share_and_the_middle_nothing():
    images = torch.full((64, 3, 5, 9), 0.5)
    dark = vignetted(images, 0.6, np.random.default_rng(0))
    torch.testing.assert_close(dark[..., 2, 4], images[..., 2, 4])
    corners = dark[:, 0, ::4, ::8].flatten(1) / 0.5
    assert (corners.amax(1) - corners.amin(1)).max() < 1e-6
    assert 0.4 <= corners.min() < 0.45 and 0.97 < corners.max() <= 1


def test_light_falls_by_the_fourth_power_of_the_cosine():
    class Most(np.random.Generator):
        def uniform(self, low, high, size):
            return np.full(size, high)

    dark = vignetted(torch.ones(1, 3, 7, 9), 0.75, Most(np.random.PCG64()))[0, 0]
    # The corner is 5 pixels from the middle and keeps a quarter: tan(t)^2 = 1 there, so 9 / 25 at 3 pixels.
    assert dark[0, 0].item() == pytest.approx(0.25)
    assert dark[0, 4].item() == pytest.approx((1 + 9 / 25) ** -2)
    assert dark[3, 0].item() == pytest.approx((1 + 16 / 25) ** -2)


def test_half_of_the_pictures_pass_through_a_file():
    kept = compressed(ANY, 30, np.random.default_rng(0))
    same = _change(kept, ANY) == 0
    assert 0.4 < same.float().mean().item() < 0.6
    assert kept.min() >= 0 and kept.max() <= 1 and _change(kept, ANY).max() > 0.1
    assert torch.equal(kept, compressed(ANY, 30, np.random.default_rng(0)))


def test_a_low_quality_costs_more_than_a_high_one_and_smooth_pictures_little():
    grey = ANY[:, :1].expand(-1, 3, -1, -1)  # colours lose half their resolution at any quality
    errors = [(compressed(grey, lowest, np.random.default_rng(1)) - grey).abs().mean() for lowest in (5, 95)]
    assert errors[0] > 2 * errors[1]
    assert _change(compressed(SMOOTH, 60, np.random.default_rng(2)), SMOOTH).max() < 0.02
