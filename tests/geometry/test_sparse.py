"""Points and motion of worlds, from pictures alone; nothing where nothing can be told."""

from itertools import product

import numpy as np
import torch

from lumde.geometry.bundle import Structure
from lumde.geometry.sparse import _in_doubt, find_points
from lumde.geometry.tracking import RADIUS
from lumde.worlds.clips import Order, render_world

FRAMES = (0, 6, 12)


def clip_of(family, seed, frames=FRAMES):
    """Target, sources, intrinsics, and the truth: depth, and motions of the sources."""
    clip = render_world(Order(family, (9 << 32) + seed, frames), 96, 160)
    images = torch.from_numpy(clip.images).permute(0, 3, 1, 2).float() / 255
    motions = np.stack([np.linalg.inv(clip.poses[i]) @ clip.poses[1] for i in (0, 2)])
    pictures = (images[1], images[[0, 2]], torch.from_numpy(clip.intrinsics).float())
    return pictures, torch.from_numpy(clip.depth[1]), torch.from_numpy(motions).float()


def test_points_agree_with_the_exact_depth_and_motions_with_the_true_ones():
    errors, told, ways = [], [], []
    for family, seed in product(("rooms", "shapes", "streets"), range(20, 25)):
        pictures, depth, motions = clip_of(family, seed)
        if (points := find_points(*pictures, (-1, 1))) is None:
            continue
        x, y = points.pixels.long().T
        ratio = depth[y, x] * points.inverse_depth
        errors.append((ratio / ratio.median() - 1).abs())
        told.append(points.spread)
        for found, true in zip(points.source_from_target, motions, strict=True):
            ways.append(torch.cosine_similarity(found[:3, 3], true[:3, 3], dim=0))
    assert len(errors) >= 10
    assert torch.cat(errors).median() < 0.08 and torch.cat(errors).quantile(0.8) < 0.2
    assert 0.3 < torch.cat(told).median() / torch.cat(errors).median() < 3
    assert torch.stack(ways).median() > 0.95


def test_a_camera_that_stands_and_pictures_of_different_places_tell_nothing():
    (target, sources, intrinsics), _, _ = clip_of("rooms", 21)
    assert find_points(target, target.expand(2, -1, -1, -1), intrinsics, (-1, 1)) is None
    (_, elsewhere, _), _, _ = clip_of("shapes", 22)
    assert find_points(target, elsewhere, intrinsics, (-1, 1)) is None
    assert find_points(torch.full_like(target, 0.5), sources, intrinsics, (-1, 1)) is None


def test_masked_pixels_hold_no_point():
    (target, sources, intrinsics), _, _ = clip_of("shapes", 21)
    valid = torch.ones(1, 96, 160, dtype=torch.bool)
    valid[..., :60] = False
    points = find_points(target, sources, intrinsics, (-1, 1), valid)
    assert points is not None and (points.pixels[:, 0] >= 60 + RADIUS).all()


def test_a_source_that_shows_nothing_leaves_all_untold():
    (target, sources, intrinsics), _, _ = clip_of("shapes", 21)
    assert find_points(target, sources, intrinsics, (-1, 1)) is not None
    for grey in (0.0, 0.5, 1.0):
        blind = torch.stack([sources[0], torch.full_like(target, grey)])
        assert find_points(target, blind, intrinsics, (-1, 1)) is None


def test_a_masked_overlay_does_not_decide_how_the_camera_turned():
    (target, sources, intrinsics), depth, _ = clip_of("shapes", 21)
    still = torch.rand(3, 48, 160, generator=torch.Generator().manual_seed(0))
    for picture in (target, *sources):
        picture[:, 48:] = still
    valid = torch.ones(1, 96, 160, dtype=torch.bool)
    valid[:, 48:] = False
    points = find_points(target, sources, intrinsics, (-1, 1), valid)
    x, y = points.pixels.long().T
    ratio = depth[y, x] * points.inverse_depth
    assert y.max() < 48 - RADIUS and (ratio / ratio.median() - 1).abs().median() < 0.1


def test_another_answer_that_costs_little_more_is_doubt():
    one = torch.tensor([0.1, 0.2, 0.3, 0.4])
    answers = torch.stack([one, 5 * one, 1 / one])  # the second is the first in another unit
    found = Structure(torch.eye(4).expand(3, 2, 4, 4), answers)
    assert _in_doubt(found, torch.tensor([10.0, 10.1, 11.0]), 0)
    assert not _in_doubt(found, torch.tensor([10.0, 10.1, 14.0]), 0)


def test_pictures_without_room_for_a_corner_tell_nothing():
    for height, width in ((7, 160), (6, 6), (24, 32)):
        pictures = torch.rand(3, 3, height, width, generator=torch.Generator().manual_seed(0))
        assert find_points(pictures[0], pictures[1:], torch.eye(3), (-1, 1)) is None


def test_points_as_a_source_sees_them():
    (target, sources, intrinsics), _, _ = clip_of("rooms", 20)
    points = find_points(target, sources, intrinsics, (-1, 1))
    pixels, inverse_depth = points.in_source(1, intrinsics)
    for i in range(0, len(pixels), 7):
        ray = torch.linalg.inv(intrinsics) @ torch.tensor([*points.pixels[i], 1.0])
        place = points.source_from_target[1] @ torch.tensor([*(ray / points.inverse_depth[i]), 1.0])
        expected = intrinsics @ (place[:3] / place[2])
        assert torch.allclose(pixels[i], expected[:2], atol=1e-3)
        assert torch.allclose(inverse_depth[i], 1 / place[2], rtol=1e-4)
