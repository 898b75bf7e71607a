"""Geometry keeps full precision inside the caller's autocast."""

import torch

from lumde.geometry.camera import backproject, project, transform
from lumde.geometry.pose import transform_from_motion
from lumde.geometry.precision import full_precision
from lumde.geometry.warp import warp
from lumde.losses.photometric import reprojection_error

INTRINSICS = torch.tensor([[[580.0, 0.0, 319.5], [0.0, 580.0, 95.5], [0.0, 0.0, 1.0]]])


def chain(depth, axis_angle, translation):
    motion = transform_from_motion(axis_angle, translation, invert=True)
    return project(transform(backproject(depth, INTRINSICS), motion), INTRINSICS)


def test_autocast_does_not_touch_projections():
    depth = 1 + 20 * torch.rand(1, 1, 192, 640)
    axis_angle, translation = torch.full((1, 3), 0.02), torch.full((1, 3), 0.3)
    image = torch.rand(1, 3, 192, 640)
    plain = chain(depth, axis_angle, translation)
    motion = transform_from_motion(axis_angle, translation)
    warped = warp(image, depth, motion, INTRINSICS)
    error = reprojection_error(warped.image, image)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(chain(depth, axis_angle, translation), plain)
        again = warp(image, depth, motion, INTRINSICS)
        assert torch.equal(again.grid, warped.grid)
        assert torch.equal(reprojection_error(again.image, image), error)


def test_an_unguarded_product_would_move_projections_by_pixels():
    """The control: without the guard, autocast is as harmful as the rule says."""
    points = backproject(torch.full((1, 1, 192, 640), 9.0), INTRINSICS)
    exact = project(points, INTRINSICS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        product = torch.einsum("bij,bjhw->bihw", INTRINSICS, points)
    assert product.dtype == torch.bfloat16
    assert (product[:, :2].float() / points[:, 2:] - exact).abs().max() > 1


def test_half_inputs_are_widened_and_doubles_kept():
    product = full_precision(lambda a, b: a @ b)
    half = torch.ones(2, 2, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert product(half, b=half).dtype == torch.float32
        assert product(half.double(), half.double()).dtype == torch.float64
