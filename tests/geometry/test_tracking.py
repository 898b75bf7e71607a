"""Corners are followed to a fraction of a pixel, through changes of light, and not to what is not there."""

import pytest
import torch
import torch.nn.functional as F

from lumde.geometry.patches import find_corners, normed, sample, square
from lumde.geometry.tracking import follow


def waves(x, y):
    """A smooth texture at any place, of forty waves that share no period."""
    generator = torch.Generator().manual_seed(0)
    along, across, phase = torch.rand(3, 40, 1, 1, generator=generator)
    return 0.5 + 0.03 * torch.sin(1.2 * (along - 0.5) * x + 1.2 * (across - 0.5) * y + 6.28 * phase).sum(0)


def picture(shift=(0.0, 0.0), height=72, width=96):
    y, x = torch.meshgrid(torch.arange(height) * 1.0, torch.arange(width) * 1.0, indexing="ij")
    return waves(x - shift[0], y - shift[1])


@pytest.mark.parametrize("shift", [(0.37, -0.21), (3.4, 2.6), (-7.3, 1.2)])
def test_a_shift_is_found_to_a_fraction_of_a_pixel(shift):
    target, source = picture(), picture(shift)
    corners = find_corners(target, 8)
    found, good = follow(target, source, corners, corners)
    assert good.sum() > 0.5 * len(corners) > 5
    off = ((found - corners)[good] - torch.tensor(shift)).abs().amax(-1)
    assert off.median() < 0.03 and (off < 0.1).float().mean() > 0.95


def test_light_does_not_matter_but_the_picture_does():
    target, source = picture(), picture((1.3, 0.4))
    corners = find_corners(target, 8)
    plain, good = follow(target, source, corners, corners)
    dim, still_good = follow(target, 0.6 * source + 0.1, corners, corners)
    both = good & still_good
    assert both.sum() >= 0.9 * good.sum() and (plain - dim)[both].abs().max() < 0.05
    noise = F.avg_pool2d(torch.rand(1, 1, 74, 98, generator=torch.Generator().manual_seed(0)), 3, 1)[0, 0]
    assert follow(target, noise, corners, corners)[1].float().mean() < 0.1


def test_flat_places_are_no_place_and_no_error():
    target, corners = picture(), find_corners(picture(), 8)
    generator = torch.Generator().manual_seed(0)
    for grey in (torch.randint(0, 766, (40,), generator=generator) / 765).tolist():
        found, good = follow(target, torch.full_like(target, grey), corners, corners)
        assert found.isfinite().all() and not good.any()


def test_a_guess_may_be_a_few_pixels_off():
    target, source = picture(), picture((5.0, -3.0))
    corners = find_corners(target, 8)
    for wrong in ([4.0, 2.0], [-3.0, 4.0]):
        guess = corners + torch.tensor([5.0, -3.0]) + torch.tensor(wrong)
        found, good = follow(target, source, corners, guess)
        assert good.float().mean() > 0.5
        assert ((found - corners)[good] - torch.tensor([5.0, -3.0])).abs().median() < 0.03


def test_what_leaves_the_picture_is_not_found():
    corners = torch.tensor([[90.0, 30.0], [40.0, 30.0]])
    _, good = follow(picture(), picture((8.0, 0.0)), corners, corners + torch.tensor([8.0, 0.0]))
    assert good.tolist() == [False, True]


def test_values_between_pixels_and_correlation_by_hand():
    grey = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    values = sample(grey, torch.tensor([[0.5, 0.0], [0.5, 0.5], [-3.0, 1.0]]))
    assert values.tolist() == pytest.approx([0.5, 1.5, 2.0])
    assert square(1, grey).tolist()[:4] == [[-1, -1], [0, -1], [1, -1], [-1, 0]]
    one = normed(torch.tensor([1.0, 2.0, 3.0]))
    assert one.tolist() == pytest.approx([-(0.5**0.5), 0, 0.5**0.5])
    assert (normed(torch.full((3,), 0.7)) == 0).all()
