"""Points and motion of worlds, from pictures alone; nothing where nothing can be told."""

from itertools import product

import numpy as np
import torch

from lumde.geometry.sparse import find_points
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
    assert points is not None and (points.pixels[:, 0] >= 60).all()


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
