"""The warp by hand and by loops, and what it does with values that only a failing network produces.

The non-finite cases would end the whole process in backward if the guard failed, so they run in a child.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lumde
from lumde.geometry.camera import backproject
from lumde.geometry.pose import transform_from_motion
from lumde.geometry.warp import sample, seen_after, warp

INTRINSICS = torch.tensor([[[30.0, 0.0, 11.5], [0.0, 30.0, 7.5], [0.0, 0.0, 1.0]]])


def identity(batch=1, dtype=torch.float32):
    return torch.eye(4, dtype=dtype).repeat(batch, 1, 1)


def test_identity_motion_returns_the_picture_and_sees_all_of_it():
    image, depth = torch.rand(2, 3, 16, 24), 1 + torch.rand(2, 1, 16, 24)
    warped = warp(image, depth, identity(2), INTRINSICS.repeat(2, 1, 1))
    torch.testing.assert_close(warped.image, image, atol=1e-4, rtol=0)
    torch.testing.assert_close(warped.source_depth, depth)
    assert warped.inside.all()
    assert warped.bad == 0


def test_sideways_motion_shifts_a_flat_wall_by_f_t_over_z():
    image, depth = torch.rand(1, 3, 16, 24), torch.full((1, 1, 16, 24), 3.0)
    motion = identity()
    motion[:, 0, 3] = 0.2  # 30 px * 0.2 m / 3 m = 2 px
    warped = warp(image, depth, motion, INTRINSICS)
    torch.testing.assert_close(warped.image[..., :-2], image[..., 2:], atol=1e-4, rtol=0)
    torch.testing.assert_close(
        warped.image[..., -2:], image[..., -1:].expand(-1, -1, -1, 2), atol=1e-4, rtol=0
    )
    assert warped.inside[..., :-2].all()
    assert not warped.inside[..., -2:].any()


def test_forward_motion_changes_the_depth_in_the_source():
    motion = identity()
    motion[:, 2, 3] = -1.0
    warped = warp(torch.rand(1, 3, 16, 24), torch.full((1, 1, 16, 24), 3.0), motion, INTRINSICS)
    torch.testing.assert_close(warped.source_depth, torch.full((1, 1, 16, 24), 2.0))


def test_points_behind_the_source_are_not_inside():
    motion = identity()
    motion[:, 2, 3] = -4.0
    warped = warp(torch.rand(1, 3, 16, 24), torch.full((1, 1, 16, 24), 3.0), motion, INTRINSICS)
    assert not warped.inside.any()
    assert warped.bad == 0, "behind is not broken"


def test_another_source_camera():
    """Twice the focal length about the centre: the source shows the middle, enlarged."""
    tele = INTRINSICS.clone()
    tele[:, :2, :2] *= 2
    image = torch.rand(1, 3, 16, 24)
    warped = warp(image, torch.ones(1, 1, 16, 24), identity(), INTRINSICS, tele)
    torch.testing.assert_close(warped.grid[0, 7, 11], torch.tensor([-1 / 11.5, -1 / 7.5]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(1, 1, 2, 3), (2, 3, 5, 4)])
def test_agrees_with_a_loop_over_pixels(shape):
    b, c, h, w = shape
    generator = torch.Generator().manual_seed(h)
    image = torch.rand(shape, dtype=torch.float64, generator=generator)
    depth = 1 + torch.rand(b, 1, h, w, dtype=torch.float64, generator=generator)
    motion = transform_from_motion(*(0.1 * torch.randn(2, b, 3, dtype=torch.float64, generator=generator)))
    matrix = torch.tensor([[4.0, 0, 1.2], [0, 4.0, 0.7], [0, 0, 1]], dtype=torch.float64)
    warped = warp(image, depth, motion, matrix.repeat(b, 1, 1))
    for i in range(b):
        for row in range(h):
            for column in range(w):
                pixel = torch.tensor([column, row, 1.0], dtype=torch.float64)
                point = depth[i, 0, row, column] * torch.linalg.solve(matrix, pixel)
                seen = matrix @ (motion[i, :3, :3] @ point + motion[i, :3, 3])
                x, y = (seen[:2] / (seen[2] + 1e-7)).tolist()
                torch.testing.assert_close(
                    warped.image[i, :, row, column], bilinear(image[i], x, y), atol=1e-9, rtol=0
                )
                assert warped.inside[i, 0, row, column] == (-0.5 <= x <= w - 0.5 and -0.5 <= y <= h - 0.5)


def bilinear(image, x, y):
    """Border pixels repeated for ever."""
    h, w = image.shape[1:]
    x, y = min(max(x, 0.0), w - 1.0), min(max(y, 0.0), h - 1.0)
    left, top = int(x), int(y)
    right, bottom = min(left + 1, w - 1), min(top + 1, h - 1)
    dx, dy = x - left, y - top
    upper = (1 - dx) * image[:, top, left] + dx * image[:, top, right]
    lower = (1 - dx) * image[:, bottom, left] + dx * image[:, bottom, right]
    return (1 - dy) * upper + dy * lower


def test_agrees_with_kornia_inside():
    from kornia.geometry.depth import warp_frame_depth  # here, since the child process needs no kornia

    image = torch.rand(1, 3, 16, 24)
    depth = 2 + torch.rand(1, 1, 16, 24)
    motion = transform_from_motion(torch.full((1, 3), 0.01), torch.tensor([[0.05, 0.02, 0.03]]))
    warped = warp(image, depth, motion, INTRINSICS)
    second = warp_frame_depth(image, depth, motion, INTRINSICS)
    interior = (warped.grid.abs() < 1).all(-1)[:, None].expand_as(image)
    assert interior.float().mean() > 0.5
    torch.testing.assert_close(warped.image[interior], second[interior], atol=1e-4, rtol=0)


def test_gradient():
    image = torch.rand(1, 2, 6, 8, dtype=torch.float64)
    depth = (2 + torch.rand(1, 1, 6, 8, dtype=torch.float64)).requires_grad_()
    axis_angle = torch.full((1, 3), 0.013, dtype=torch.float64, requires_grad=True)
    translation = torch.tensor([[0.031, 0.017, 0.023]], dtype=torch.float64, requires_grad=True)
    intrinsics = torch.tensor([[[7.0, 0, 3.4], [0, 7.0, 2.6], [0, 0, 1]]], dtype=torch.float64)

    def warped(depth, axis_angle, translation):
        return warp(image, depth, transform_from_motion(axis_angle, translation), intrinsics).image

    assert torch.autograd.gradcheck(warped, (depth, axis_angle, translation), atol=1e-5)


NAN, INF, HUGE = float("nan"), float("inf"), 3e38
HALF = 16 * 24  # pixels of one of the two samples

# name: what is broken (depth, motion, intrinsics are edited in place), how many pixels it costs
BROKEN = {
    "pose NaN": (lambda depth, motion, intrinsics: motion[0, 0, 3].fill_(NAN), HALF),
    "pose inf": (lambda depth, motion, intrinsics: motion[1, 2, 2].fill_(INF), HALF),
    "every pose NaN": (lambda depth, motion, intrinsics: motion.fill_(NAN), 2 * HALF),
    "one depth NaN": (lambda depth, motion, intrinsics: depth[0, 0, 3, 4].fill_(NAN), 1),
    "two rows of depth inf": (lambda depth, motion, intrinsics: depth[0, 0, :2].fill_(-INF), 48),
    "no focal length": (lambda depth, motion, intrinsics: intrinsics[0, 0, 0].zero_(), HALF),
    "overflow": (lambda depth, motion, intrinsics: (depth[0].fill_(HUGE), motion[0, 0, 3].fill_(HUGE)), HALF),
}


def break_and_warp(name):
    """Warp with one thing broken, check what comes out, go through backward."""
    break_something, bad = BROKEN[name]
    depth, motion, intrinsics = 1 + torch.rand(2, 1, 16, 24), identity(2), INTRINSICS.repeat(2, 1, 1)
    break_something(depth, motion, intrinsics)
    depth.requires_grad_()
    motion.requires_grad_()
    warped = warp(torch.rand(2, 3, 16, 24), depth, motion, intrinsics)
    for values in (warped.grid, warped.image, warped.source_depth):
        assert values.isfinite().all()
    assert int(warped.bad) == bad, int(warped.bad)
    assert int((~warped.inside).sum()) >= bad
    warped.image.sum().backward()
    if name not in ("no focal length", "overflow"):  # there the gradients overflow: the training guard's part
        assert depth.grad.isfinite().all()
        assert motion.grad.isfinite().all()


@pytest.fixture(scope="module")
def survived():
    """Names of the cases that a child process went through, in one go: starting torch takes seconds."""
    child = run_child(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_warp import BROKEN, break_and_warp\n"
        "for name in BROKEN: break_and_warp(name); print(name, flush=True)"
    )
    return child.stdout.splitlines(), child.stderr


@pytest.mark.parametrize("name", BROKEN)
def test_non_finite_values_are_masked_and_counted_and_backward_survives(survived, name):
    names, trouble = survived
    assert name in names, trouble


def test_the_child_process_would_notice_a_crash():
    assert run_child("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").returncode != 0


def run_child(code):
    return subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)],
        cwd=Path(lumde.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_sample_takes_another_size():
    grid = torch.tensor([[[[-1.0, -1.0], [1.0, 1.0]]]])
    picture = torch.arange(6.0).view(1, 1, 2, 3)
    assert sample(picture, grid).flatten().tolist() == [0.0, 5.0]


def test_seen_after_agrees_with_warp_and_sees_nothing_after_a_motion_that_is_none():
    generator = torch.Generator().manual_seed(3)
    grey = torch.rand(4, 1, 6, 8, generator=generator)
    depth = 0.5 + 4 * torch.rand(4, 1, 6, 8, generator=generator)
    turns, travels = 0.4 * torch.randn(2, 4, 3, generator=generator)
    travels[1, 2] = -3.0  # most points end up behind the camera
    motion = transform_from_motion(turns, travels)
    camera = torch.tensor([[6.0, 0.3, 3.6], [0, 7.0, 2.4], [0, 0, 1]]).expand(4, 3, 3)
    expected = warp(grey, depth, motion, camera)
    assert 0.1 < expected.inside.float().mean() < 0.9
    look = seen_after(grey, backproject(depth, camera), camera)
    seen, inside = look(motion)
    assert torch.equal(inside, expected.inside)
    torch.testing.assert_close(seen[inside], expected.image[inside], atol=1e-5, rtol=0)
    motion[2, 0, 1] = float("nan")
    assert look(motion)[1].flatten(1).any(1).tolist() == [True, True, False, True]
