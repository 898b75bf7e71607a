"""Direct alignment finds known motions, never makes one worse, and survives bad numbers."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lumde.geometry.alignment import STRIDE, Search, find_motion, motion_distance, refine_motion
from lumde.geometry.pose import transform_from_motion
from lumde.geometry.warp import warp
from lumde.worlds.clips import FAMILIES
from lumde.worlds.render import Clip, render_clip

SIZE = (48, 96)
INTRINSICS = torch.tensor([[90.0, 0, 47.5], [0, 90.0, 23.5], [0, 0, 1]], dtype=torch.float64)[None]
TRUE = (torch.tensor([[0.004, -0.006, 0.003]]), torch.tensor([[0.02, -0.01, 0.15]]))


def scene() -> tuple[Tensor, Tensor]:
    """A smooth picture and a slanted depth with a step in it."""
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in SIZE), indexing="ij")
    waves = [(x / 5).sin(), (y / 4).cos(), ((x + 2 * y) / 7).sin(), ((3 * x - y) / 23).cos()]
    image = (0.5 + 0.1 * sum(waves)).expand(1, 3, -1, -1)
    depth = 4 + 0.05 * y + 2 * (x > 50)
    return image, depth[None, None]


def pair(axis_angle: Tensor, translation: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A source, and the target that the camera sees from elsewhere, at that depth, with the motion."""
    source, depth = scene()
    motion = transform_from_motion(axis_angle.double(), translation.double())
    return warp(source, depth, motion, INTRINSICS).image, source, depth, motion


def test_a_known_motion_is_found_from_standstill():
    target, source, depth, motion = pair(*TRUE)
    start = torch.eye(4, dtype=torch.float64)[None]
    found = refine_motion(target, source, depth, start, INTRINSICS, Search(10))
    assert motion_distance(start, motion, depth, INTRINSICS, stride=1) * SIZE[1] > 0.4  # pixels
    assert motion_distance(found, motion, depth, INTRINSICS, stride=1) * SIZE[1] < 0.005
    torch.testing.assert_close(found[:, :3, :3], motion[:, :3, :3], atol=2e-4, rtol=0)


def test_a_motion_of_many_pixels_is_found_without_a_guess():
    motion = torch.tensor([[0.01, 0.07, -0.01]]), torch.tensor([[0.05, 0.02, 0.3]])
    target, source, depth, motion = pair(*motion)
    start = torch.eye(4, dtype=torch.float64)[None]
    found = find_motion(target, source, depth, INTRINSICS)
    assert motion_distance(start, motion, depth, INTRINSICS, stride=1) * SIZE[1] > 3  # pixels
    assert motion_distance(found, motion, depth, INTRINSICS, stride=1) * SIZE[1] < 0.05


def shown(clip: Clip) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The first of two frames and the second, depth, intrinsics and the motion between them."""
    target, source = torch.from_numpy(clip.images).permute(0, 3, 1, 2)[:, None] / 255.0
    depth = torch.from_numpy(clip.depth)[:1, None].float()
    depth = torch.where(depth > 0, depth, 200.0)  # the sky
    poses, intrinsics = torch.from_numpy(clip.poses), torch.from_numpy(clip.intrinsics).float().view(1, 3, 3)
    return target, source, depth, intrinsics, (torch.linalg.inv(poses[1]) @ poses[0]).float()[None]


@pytest.mark.parametrize("seed", [0, 3, 4])
def test_travel_along_a_street_is_found_where_standstill_is_a_trap(seed):
    target, source, depth, lens, motion = shown(render_clip(FAMILIES["streets"](seed), 64, 192, (3, 5)))
    start = torch.eye(4)[None]
    found = find_motion(target, source, depth, lens)
    from_standstill = refine_motion(target, source, depth, start, lens, Search(50))
    assert motion_distance(start, motion, depth, lens, stride=1) * 192 > 5  # pixels
    assert motion_distance(from_standstill, motion, depth, lens, stride=1) * 192 > 3
    assert motion_distance(found, motion, depth, lens, stride=1) * 192 < 0.1


@pytest.mark.parametrize("turning_only", [False, True])
@pytest.mark.parametrize("turn", [(0.0, 0.3), (0.15, -0.25), (-0.2, 0.2)])  # down and right, radians
def test_a_turn_by_a_quarter_of_the_picture_is_found(turn, turning_only):
    room = FAMILIES["rooms"](3)
    poses = np.repeat(room.world_from_camera[:1], 2, axis=0)
    poses[1] = poses[0] @ transform_from_motion(torch.tensor([[*turn, 0.02]]), torch.zeros(1, 3))[0].numpy()
    turned = type(room)(**{**vars(room), "world_from_camera": poses})
    target, source, depth, lens, motion = shown(render_clip(turned, 96, 128, 2))
    found = find_motion(target, source, depth, lens, turning_only=turning_only)
    assert motion_distance(torch.eye(4)[None], motion, depth, lens, stride=1, limit=1.0) * 128 > 6  # pixels
    assert motion_distance(found, motion, depth, lens, stride=1, limit=1.0) * 128 < 0.15


@pytest.mark.parametrize("seed", range(5))
def test_no_sample_gets_worse(seed):
    torch.manual_seed(seed)
    target, source = torch.rand(3, 3, *SIZE, dtype=torch.float64), torch.rand(3, 3, *SIZE).double()
    depth, intrinsics = 1 + 5 * torch.rand(3, 1, *SIZE).double(), INTRINSICS.expand(3, 3, 3)
    start = transform_from_motion(0.02 * torch.randn(3, 3).double(), 0.3 * torch.randn(3, 3).double())

    def cost(motion: Tensor) -> Tensor:
        warped = warp(source.mean(1, keepdim=True), depth, motion, intrinsics)
        error = (warped.image - target.mean(1, keepdim=True)).abs()
        huber = torch.where(error < 0.03, error**2 / 2, 0.03 * (error - 0.015)) * warped.inside
        looked_at = (..., slice(None, None, STRIDE), slice(None, None, STRIDE))
        return huber[looked_at].sum((1, 2, 3)) / warped.inside[looked_at].sum((1, 2, 3))

    found = refine_motion(target, source, depth, start, intrinsics, Search(3))
    assert (cost(found) <= cost(start)).all()


def test_masked_pixels_have_no_say():
    target, source, depth, motion = pair(*TRUE)
    valid = torch.ones(1, 1, *SIZE, dtype=torch.bool)
    valid[..., 60:] = False
    spoilt = torch.where(valid, target, torch.rand_like(target))
    start = torch.eye(4, dtype=torch.float64)[None]
    masked, unmasked = (
        motion_distance(
            refine_motion(spoilt, source, depth, start, INTRINSICS, Search(10), use),
            motion,
            depth,
            INTRINSICS,
        )
        for use in (valid, None)
    )
    assert masked * SIZE[1] < 0.02 < 0.1 < unmasked * SIZE[1]


def test_a_camera_that_may_only_turn_stays_in_its_place():
    target, source, depth, _ = pair(*TRUE)
    found = find_motion(target, source, depth, INTRINSICS, turning_only=True)
    assert (found[:, :3, 3] == 0).all() and not torch.equal(
        found[0, :3, :3], torch.eye(3, dtype=torch.float64)
    )
    torch.testing.assert_close(found[0, :3, :3] @ found[0, :3, :3].T, torch.eye(3, dtype=torch.float64))


def test_bad_numbers_stay_where_they_are():
    target, source, depth, motion = pair(*TRUE)
    start = torch.eye(4, dtype=torch.float64).repeat(3, 1, 1)
    start[1, 0, 0] = torch.nan
    depth = depth.repeat(3, 1, 1, 1)
    depth[2] = torch.inf
    depth[0, 0, 0, 0] = torch.nan  # one pixel: the sample itself is still aligned
    found = refine_motion(
        target.expand(3, -1, -1, -1),
        source.expand(3, -1, -1, -1),
        depth,
        start,
        INTRINSICS.expand(3, 3, 3),
        Search(10),
    )
    assert torch.equal(found[2], start[2]) and found[1, 0, 0].isnan()
    torch.testing.assert_close(found[:1], motion, atol=2e-3, rtol=0)


def test_distance_by_hand():
    """A shift of 0.1 at depth 2 with a focal length of 90 pixels: 4.5 pixels along x, none along y."""
    depth = torch.full((1, 1, *SIZE), 2.0).double()
    still = torch.eye(4).double()[None]
    moved = still.clone()
    moved[0, 0, 3] = 0.1
    assert motion_distance(moved, still, depth, INTRINSICS) * SIZE[1] == pytest.approx(4.5 / 2)
    assert motion_distance(moved, still, depth * 1e-3, INTRINSICS) == pytest.approx(0.1 / 2)  # the limit


def test_the_distance_teaches_and_alignment_does_not():
    target, source, depth, motion = pair(*TRUE)
    translation = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    guess = transform_from_motion(torch.zeros(1, 3).double(), translation)
    found = refine_motion(target, source, depth, guess, INTRINSICS, Search(3))
    assert not found.requires_grad
    motion_distance(guess, found, depth, INTRINSICS).backward()
    assert translation.grad is not None and (translation.grad != 0).any()
