import math

import pytest
import torch
from kornia.geometry.conversions import axis_angle_to_rotation_matrix

from lumde.geometry.pose import invert_transform, rotation_from_axis_angle, transform_from_motion


def cross_matrix(vector):
    x, y, z = vector.tolist()
    return torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=vector.dtype)


def test_quarter_turn_about_z_takes_x_to_y():
    rotation = rotation_from_axis_angle(torch.tensor([[0.0, 0.0, math.pi / 2]]).double())
    moved = rotation[0] @ torch.tensor([1.0, 0.0, 0.0]).double()
    torch.testing.assert_close(moved, torch.tensor([0.0, 1.0, 0.0]).double(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("length", [0.0, 1e-7, 9e-5, 1.1e-4, 1e-2, 1.0, 3.1])
def test_rotation_agrees_with_the_matrix_exponential_and_kornia(length):
    direction = torch.nn.functional.normalize(torch.randn(4, 3, dtype=torch.float64), dim=1)
    vectors = length * direction
    rotation = rotation_from_axis_angle(vectors)
    exact = torch.stack([torch.linalg.matrix_exp(cross_matrix(vector)) for vector in vectors])
    torch.testing.assert_close(rotation, exact, atol=5e-7, rtol=0)
    torch.testing.assert_close(rotation, axis_angle_to_rotation_matrix(vectors), atol=1e-6, rtol=0)


def test_gradient_at_zero_is_that_of_the_generators():
    """Division by the angle would silence the rotation of a pose network that starts at zero."""
    jacobian = torch.autograd.functional.jacobian(rotation_from_axis_angle, torch.zeros(1, 3).double())
    for axis in range(3):
        unit = torch.eye(3, dtype=torch.float64)[axis]
        torch.testing.assert_close(jacobian[0, :, :, 0, axis], cross_matrix(unit))


@pytest.mark.parametrize("length", [1e-6, 1e-3, 0.5])
def test_gradient_of_the_motion(length):
    axis_angle = (length * torch.randn(2, 3, dtype=torch.float64)).requires_grad_()
    translation = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    for invert in (False, True):
        assert torch.autograd.gradcheck(
            lambda a, t, invert=invert: transform_from_motion(a, t, invert),
            (axis_angle, translation),
            eps=1e-8,
            atol=1e-6,
        )


def test_motion_rotates_first_and_translates_then():
    quarter = torch.tensor([[0.0, 0.0, math.pi / 2]]).double()
    moved = transform_from_motion(quarter, torch.tensor([[10.0, 0.0, 0.0]]).double())
    point = moved[0] @ torch.tensor([1.0, 0.0, 0.0, 1.0]).double()
    torch.testing.assert_close(point, torch.tensor([10.0, 1.0, 0.0, 1.0]).double(), atol=1e-6, rtol=0)


def test_inverse():
    axis_angle, translation = torch.randn(3, 3).double(), torch.randn(3, 3).double()
    forward = transform_from_motion(axis_angle, translation)
    exact = torch.linalg.inv(forward)
    torch.testing.assert_close(invert_transform(forward), exact, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        transform_from_motion(axis_angle, translation, invert=True), exact, atol=1e-6, rtol=0
    )
