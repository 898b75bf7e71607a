import math

import pytest
import torch

from lumde.losses.pairwise import depth_nodes, pairwise_affinity

GRIDS = [(1, 1), (2, 2), (2, 3)]


def features(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def loop_affinity(student, teacher, grid, pool, valid=None):
    """Nodes by slicing (sizes divide), cosines one by one."""

    def cells(picture):
        rows, columns = picture.shape[-2] // grid[0], picture.shape[-1] // grid[1]
        for r in range(grid[0]):
            for c in range(grid[1]):
                yield picture[..., r * rows : (r + 1) * rows, c * columns : (c + 1) * columns]

    reduce = torch.mean if pool == "average" else torch.amax
    values = []
    for i in range(len(student)):
        nodes_s = [reduce(cell, (1, 2)) for cell in cells(student[i])]
        nodes_t = [reduce(cell, (1, 2)) for cell in cells(teacher[i])]
        use = [True] * len(nodes_s) if valid is None else [bool(cell.all()) for cell in cells(valid[i, 0])]
        for p in range(len(nodes_s)):
            for q in range(len(nodes_s)):
                if use[p] and use[q]:
                    values.append((cosine(nodes_s[p], nodes_s[q]) - cosine(nodes_t[p], nodes_t[q])) ** 2)
    return sum(values) / max(len(values), 1)


def cosine(a, b):
    return (a @ b / (a.norm() * b.norm())).item()


def test_by_hand():
    """Two nodes: the student finds them orthogonal, the teacher equal. Two of four pairs differ by 1."""
    student = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(1, 2, 1, 2)
    teacher = torch.tensor([[3.0, 3.0]]).view(1, 1, 1, 2)
    assert pairwise_affinity(student, teacher, (1, 2)).item() == pytest.approx(0.5)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("pool", ["average", "max"])
@pytest.mark.parametrize("channels", [(2, 2), (3, 7)])
def test_agrees_with_a_loop(grid, pool, channels):
    student, teacher = features(2, channels[0], 4, 6), features(2, channels[1], 8, 12, seed=1)
    expected = loop_affinity(student, teacher, grid, pool)
    assert pairwise_affinity(student, teacher, grid, pool).item() == pytest.approx(expected, abs=1e-12)


def test_a_node_with_a_masked_pixel_has_no_say():
    student, teacher = features(2, 3, 4, 6), features(2, 5, 4, 6, seed=1)
    valid = torch.ones(2, 1, 4, 6, dtype=torch.bool)
    valid[0, 0, 0, 0] = False
    expected = loop_affinity(student, teacher, (2, 3), "average", valid)
    masked = pairwise_affinity(student, teacher, (2, 3), valid=valid)
    assert masked.item() == pytest.approx(expected, abs=1e-12)
    assert masked != pairwise_affinity(student, teacher, (2, 3))
    assert pairwise_affinity(student, teacher, (2, 3), valid=torch.zeros_like(valid)) == 0


@pytest.mark.parametrize("pool", ["average", "max"])
def test_gradient(pool):
    student, teacher = features(2, 3, 4, 6).requires_grad_(), features(2, 2, 4, 6, seed=1)
    assert torch.autograd.gradcheck(lambda s: pairwise_affinity(s, teacher, (2, 3), pool), student)


def test_autocast_does_not_round_the_affinities():
    student, teacher = features(1, 8, 4, 4).float(), features(1, 8, 4, 4, seed=1).float()
    plain = pairwise_affinity(student, teacher)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert pairwise_affinity(student, teacher) == plain


def test_depth_nodes_by_hand():
    """Depths 1 and e^2: one log unit to either side of the mean."""
    depth = torch.ones(1, 1, 4, 8, dtype=torch.float64)
    depth[..., 4:] = math.e**2
    nodes = depth_nodes(depth, (1, 2), patch=2)
    assert nodes.shape == (1, 5, 1, 2)
    torch.testing.assert_close(nodes[0, :, 0, 0], torch.tensor([-0.5] * 4 + [0.5]).double())
    torch.testing.assert_close(nodes[0, :, 0, 1], torch.tensor([0.5] * 4 + [0.5]).double())


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("patch", [1, 2])
def test_depth_nodes_agree_with_a_loop(grid, patch):
    depth = 1 + features(2, 1, 8, 12).abs()
    nodes = depth_nodes(depth, grid, patch)
    rows, columns = 8 // (grid[0] * patch), 12 // (grid[1] * patch)
    for i in range(2):
        log_depth = depth[i, 0].log() - depth[i, 0].log().mean()
        for r in range(grid[0]):
            for c in range(grid[1]):
                expected = []
                for py in range(patch):
                    for px in range(patch):
                        y, x = (r * patch + py) * rows, (c * patch + px) * columns
                        expected.append(log_depth[y : y + rows, x : x + columns].mean() / patch)
                expected.append(torch.tensor(0.5).double())
                torch.testing.assert_close(nodes[i, :, r, c], torch.stack(expected))


def test_scale_drops_out_of_depth_nodes_and_relative_depth_does_not():
    depth = 1 + features(1, 1, 16, 32).abs()
    nodes = depth_nodes(depth, (2, 4))
    torch.testing.assert_close(depth_nodes(7 * depth, (2, 4)), nodes)
    bent = depth * torch.linspace(1, 2, 32).double()
    assert pairwise_affinity(depth_nodes(bent, (2, 4)), nodes, (2, 4)) > 1e-3


def test_masked_depth_has_no_say_in_depth_nodes():
    depth = 1 + features(1, 1, 8, 8).abs()
    valid = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    valid[..., 0] = False
    other = torch.where(valid, depth, 99.0)
    torch.testing.assert_close(
        depth_nodes(other, (2, 2), valid=valid), depth_nodes(depth, (2, 2), valid=valid)
    )


def test_gradient_through_depth_nodes():
    depth, teacher = 1 + features(1, 1, 8, 8).abs(), 1 + features(1, 1, 8, 8, seed=1).abs()
    target = depth_nodes(teacher, (2, 2), patch=2)
    assert torch.autograd.gradcheck(
        lambda d: pairwise_affinity(depth_nodes(d, (2, 2), patch=2), target), depth.requires_grad_()
    )
