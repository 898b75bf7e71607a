"""Triangulated points against the exact depth of worlds; doubtful corners are left out."""

from itertools import product

import numpy as np
import torch

from lumde.geometry.patches import find_corners
from lumde.geometry.triangulation import CELL, View, triangulate
from lumde.worlds.clips import Order, render_world

FRAMES = (4, 12, 20, 28, 36)


def view_of(order, middle=2):
    """The middle frame of a clip with all others as sources, and its exact depth."""
    clip = render_world(order, 96, 160)
    images = torch.from_numpy(clip.images).permute(0, 3, 1, 2).float() / 255
    others = [i for i in range(len(images)) if i != middle]
    motions = np.stack([np.linalg.inv(clip.poses[i]) @ clip.poses[middle] for i in others])
    intrinsics = torch.from_numpy(clip.intrinsics).float()
    view = View(images[middle], images[others], torch.from_numpy(motions).float(), intrinsics)
    return view, torch.from_numpy(clip.depth[middle])


def test_points_agree_with_the_exact_depth():
    errors = []  # of many clips: a plain wall, or a camera that hardly moves, gives no point
    for family, seed in product(("rooms", "shapes"), range(20, 28)):
        view, truth = view_of(Order(family, (9 << 32) + seed, FRAMES))
        found = triangulate(view, 0.3, 60.0)[0]
        there = found > 0
        errors.append((found[there] / truth[there] - 1).abs())
    errors = torch.cat(errors)
    assert len(errors) > 60
    assert errors.median() < 0.02 and errors.quantile(0.9) < 0.05


def test_unrelated_pictures_and_a_still_camera_give_hardly_any_point():
    view, _ = view_of(Order("shapes", (9 << 32) + 1, FRAMES))
    right = (triangulate(view, 0.3, 60.0) > 0).sum()
    elsewhere, _ = view_of(Order("shapes", (9 << 32) + 4, FRAMES))
    assert (triangulate(view._replace(sources=elsewhere.sources), 0.3, 60.0) > 0).sum() < 0.05 * right
    still = view._replace(sources=view.target.expand_as(view.sources))
    assert (triangulate(still, 0.3, 60.0) > 0).sum() < 0.05 * right


def test_a_flat_picture_has_no_corner_and_a_square_has_four():
    flat = torch.full((48, 64), 0.5)
    assert len(find_corners(flat, CELL)) == 0
    nothing = View(
        flat.expand(3, -1, -1), flat.expand(2, 3, -1, -1), torch.eye(4).expand(2, 4, 4), torch.eye(3)
    )
    assert (triangulate(nothing, 1.0, 9.0) == 0).all()
    square = flat.clone()
    square[18:30, 22:42] = 0.9
    corners = find_corners(square, CELL)
    expected = torch.tensor([[22, 18], [41, 18], [22, 29], [41, 29]])
    distance = (corners[:, None] - expected).abs().amax(-1)
    assert (distance.amin(0) <= 3).all() and (distance.amin(1) <= 4).all()
