"""Rigid motions as 4x4 transforms `a_from_b`."""

import torch
from jaxtyping import Float
from torch import Tensor

from lumde.geometry.precision import full_precision

ANGLE_EPSILON = 1e-7  # radians, added to the angle before the axis is normalised
SMALL_ANGLE_SQUARED = 1e-8  # radians^2; below it the Taylor terms are exact to fp64


@full_precision
def rotation_from_axis_angle(axis_angle: Float[Tensor, "b 3"]) -> Float[Tensor, "b 3 3"]:
    """Rotate about the vector's direction by its length in radians.

    Rodrigues' formula: R = cos(a) I + sin(a) [n]x + (1 - cos(a)) n n^T, with n = v / (a + 1e-7) as Monodepth2
    has it. That form learns nothing at v = 0, so below 1e-4 rad the series of v itself stands in (ours): it
    has the true gradient there, and its values differ by less than 2e-7.
    """
    squared = axis_angle.square().sum(-1)[:, None, None]
    small = squared < SMALL_ANGLE_SQUARED
    angle = torch.where(small, 1.0, squared).sqrt()
    length = angle + ANGLE_EPSILON
    cosine = torch.where(small, 1 - squared / 2, angle.cos())
    sine_ratio = torch.where(small, 1 - squared / 6, angle.sin() / length)
    cosine_ratio = torch.where(small, 0.5 - squared / 24, (1 - angle.cos()) / length.square())
    x, y, z = axis_angle.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    outer = axis_angle[:, :, None] * axis_angle[:, None, :]
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return cosine * identity + sine_ratio * cross + cosine_ratio * outer


@full_precision
def with_length_of(known: Float[Tensor, "b 4 4"], motion: Float[Tensor, "b 4 4"]) -> Float[Tensor, "b 4 4"]:
    """Rotation and direction of travel of `motion`, as far as `known` travels; `known` where one does not."""
    lengths = known[:, :3, 3].norm(dim=1), motion[:, :3, 3].norm(dim=1)
    usable = (lengths[0] > 0) & (lengths[1] > 0)
    factor = torch.where(usable, lengths[0] / torch.where(usable, lengths[1], 1.0), 1.0)
    stretched = motion.clone()
    stretched[:, :3, 3] *= factor[:, None]
    return torch.where(usable[:, None, None], stretched, known)


@full_precision
def transform_from_motion(
    axis_angle: Float[Tensor, "b 3"], translation: Float[Tensor, "b 3"], invert: bool = False
) -> Float[Tensor, "b 4 4"]:
    """Build the transform "rotate, then translate" of a pose network's answer.

    Args:
        axis_angle: rotation vector, radians.
        translation: metres, or units of the unscaled world.
        invert: answer the inverse. Pose networks see frames in temporal order and answer second_from_first,
            so source_from_target needs it where the source is the earlier frame.

    Source: Godard et al. 2019, arXiv:1806.01260, sec. 3 (the released code's order).
    """
    moved = _assemble(rotation_from_axis_angle(axis_angle), translation)
    return invert_transform(moved) if invert else moved


@full_precision
def invert_transform(a_from_b: Float[Tensor, "b 4 4"]) -> Float[Tensor, "b 4 4"]:
    """Answer b_from_a of a rigid a_from_b: (R^T, -R^T t)."""
    rotation, translation = a_from_b[:, :3, :3], a_from_b[:, :3, 3]
    return _assemble(rotation.mT, -(rotation * translation[:, :, None]).sum(1))


def _assemble(rotation: Float[Tensor, "b 3 3"], translation: Float[Tensor, "b 3"]) -> Float[Tensor, "b 4 4"]:
    top = torch.cat([rotation, translation[:, :, None]], dim=2)
    bottom = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(top), 1, 4)
    return torch.cat([top, bottom], dim=1)
