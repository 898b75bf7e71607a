import pytest
import torch
from kornia.geometry.depth import depth_to_3d

from lumde.geometry.camera import (
    backproject,
    flip_intrinsics,
    pixel_grid,
    project,
    resize_intrinsics,
    transform,
)
from lumde.geometry.pose import transform_from_motion

INTRINSICS = torch.tensor([[[30.0, 0.5, 11.0], [0.0, 32.0, 7.5], [0.0, 0.0, 1.0]]], dtype=torch.float64)
PLAIN = torch.tensor([[[30.0, 0.0, 11.0], [0.0, 32.0, 7.5], [0.0, 0.0, 1.0]]], dtype=torch.float64)
SIZES = [(1, 1), (2, 3), (16, 24)]


def depths(height, width, batch=1):
    return 1 + 9 * torch.rand(batch, 1, height, width, dtype=torch.float64)


def test_pixel_grid_counts_x_to_the_right_and_y_down():
    grid = pixel_grid(2, 3, like=torch.zeros(1))
    assert grid[0].tolist() == [[0, 1, 2], [0, 1, 2]]
    assert grid[1].tolist() == [[0, 0, 0], [1, 1, 1]]
    assert grid[2].tolist() == [[1, 1, 1], [1, 1, 1]]


def test_hand_computed_point():
    points = backproject(torch.full((1, 1, 16, 24), 2.0, dtype=torch.float64), PLAIN)
    expected = torch.tensor([2 * (23 - 11) / 30, 2 * (15 - 7.5) / 32, 2.0], dtype=torch.float64)
    torch.testing.assert_close(points[0, :, 15, 23], expected)


@pytest.mark.parametrize("size", SIZES)
def test_backprojection_is_depth_times_inverse_intrinsics(size):
    depth = depths(*size)
    rays = torch.einsum("bij,jhw->bihw", torch.linalg.inv(INTRINSICS), pixel_grid(*size, like=depth))
    torch.testing.assert_close(backproject(depth, INTRINSICS), depth * rays)


@pytest.mark.parametrize("size", SIZES)
def test_backprojection_agrees_with_kornia(size):
    depth = depths(*size)
    torch.testing.assert_close(backproject(depth, PLAIN), depth_to_3d(depth, PLAIN), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_projection_undoes_backprojection(size):
    pixels = project(backproject(depths(*size), INTRINSICS), INTRINSICS)
    grid = pixel_grid(*size, like=pixels)[:2]
    torch.testing.assert_close(pixels[0], grid, atol=1e-5, rtol=0)


def test_transform_agrees_with_a_loop():
    a_from_b = transform_from_motion(torch.rand(2, 3).double(), torch.rand(2, 3).double())
    points = torch.rand(2, 3, 2, 3, dtype=torch.float64)
    moved = transform(points, a_from_b)
    for sample in range(2):
        for row in range(2):
            for column in range(3):
                homogeneous = torch.cat([points[sample, :, row, column], torch.ones(1).double()])
                expected = (a_from_b[sample] @ homogeneous)[:3]
                torch.testing.assert_close(moved[sample, :, row, column], expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_resize_keeps_the_edges_of_the_picture(dtype):
    intrinsics = INTRINSICS[0].to(dtype)
    resized = resize_intrinsics(intrinsics, (16, 24), (8, 48))
    assert resized.dtype == dtype
    assert resized[0].tolist() == [60.0, 1.0, (11 + 0.5) * 2 - 0.5]
    assert resized[1].tolist() == [0.0, 16.0, (7.5 + 0.5) * 0.5 - 0.5]
    torch.testing.assert_close(resize_intrinsics(resized, (8, 48), (16, 24)), intrinsics)


def test_resized_camera_sees_the_same_corner_ray():
    """The outer corner of the last pixel is one direction, whatever the resolution."""
    corner, small_corner = torch.tensor([24 - 0.5, 16 - 0.5, 1.0]), torch.tensor([12 - 0.5, 8 - 0.5, 1.0])
    small = resize_intrinsics(INTRINSICS[0], (16, 24), (8, 12))
    ray = torch.linalg.solve(INTRINSICS[0], corner.double())
    torch.testing.assert_close(torch.linalg.solve(small, small_corner.double()), ray)


def test_a_flip_moves_the_centre():
    flipped = flip_intrinsics(PLAIN, width=24)
    assert flipped[0, :2, 2].tolist() == [12.0, 7.5]
    assert PLAIN[0, 0, 2] == 11.0, "the given intrinsics stay as they are"


def test_a_mirrored_camera_mirrors_its_points():
    depth = depths(16, 24)
    points = backproject(depth, INTRINSICS)
    mirrored = backproject(depth.flip(-1), flip_intrinsics(INTRINSICS, 24)).flip(-1)
    torch.testing.assert_close(mirrored * torch.tensor([-1.0, 1, 1]).view(1, 3, 1, 1), points)


def test_gradients():
    depth = depths(2, 3).requires_grad_()
    a_from_b = transform_from_motion(torch.rand(1, 3).double(), torch.rand(1, 3).double()).requires_grad_()

    def pixels(depth, a_from_b):
        return project(transform(backproject(depth, INTRINSICS), a_from_b), INTRINSICS)

    assert torch.autograd.gradcheck(pixels, (depth, a_from_b))
