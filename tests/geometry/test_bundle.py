"""Bundle adjustment against points and motions that are known, and its spread against repeated noise."""

import pytest
import torch

from lumde.geometry.bundle import NOISE, Structure, Tracks, bundle, log_depth_spread, misses
from lumde.geometry.pose import transform_from_motion

INTRINSICS = torch.tensor([[80.0, 0, 47.5], [0, 84.0, 35.5], [0, 0, 1]]).double()
TURNS = torch.tensor([[0.01, -0.02, 0.005], [-0.015, 0.02, 0.0]]).double()
TRAVELS = torch.tensor([[-0.6, 0.1, -0.8], [0.7, -0.1, 0.9]]).double()


def scene(count=60, seed=0):
    """Tracks without noise, and the truth with a mean travel of 1."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=generator).double() * torch.tensor([95.0, 71.0]).double()
    depth = 3 + 12 * torch.rand(count, generator=generator).double()
    rays = torch.cat([corners, torch.ones(count, 1).double()], 1) @ torch.linalg.inv(INTRINSICS).T
    motions = transform_from_motion(TURNS, TRAVELS)
    unit = motions[:, :3, 3].norm(dim=1).mean()
    pixels = torch.stack([projected(motion, rays * depth[:, None]) for motion in motions])
    motions[:, :3, 3] /= unit
    truth = Structure(motions[None], (unit / depth)[None])
    return Tracks(rays, pixels, torch.ones(2, count, dtype=torch.bool), INTRINSICS), truth


def projected(motion, points):
    """Pixel of each point, one at a time."""
    found = []
    for point in points:
        x, y, z = (motion[:3, :3] @ point + motion[:3, 3]).tolist()
        found.append([80.0 * x / z + 47.5, 84.0 * y / z + 35.5])
    return torch.tensor(found).double()


def start_of(truth, seed=1):
    """Half turned, travel and depths as a guess would have them."""
    motions = truth.source_from_target.clone()
    motions[..., :3, :3] = torch.eye(3).double()
    motions[..., :3, 3] += 0.3 * torch.randn(2, 3, generator=torch.Generator().manual_seed(seed)).double()
    return Structure(motions, torch.full_like(truth.inverse_depth, 0.2))


def test_motions_and_points_are_found_up_to_their_unit():
    tracks, truth = scene()
    found, cost = bundle(tracks, start_of(truth))
    assert float(cost) < 1e-6 and float(misses(tracks, found).max()) < 1e-3
    assert torch.allclose(found.source_from_target, truth.source_from_target, atol=1e-3)
    assert torch.allclose(found.inverse_depth, truth.inverse_depth, rtol=1e-2)


def test_cost_and_misses_by_hand():
    tracks, truth = scene()
    off = tracks._replace(pixels=tracks.pixels + torch.tensor([0.3, 0.4]).double())  # half a pixel
    assert torch.allclose(misses(off, truth), torch.tensor(0.5).double(), atol=1e-9)
    hidden = off._replace(found=off.found.clone())
    hidden.found[0] = False
    assert torch.allclose(misses(hidden, truth), torch.tensor(0.5).double(), atol=1e-9)
    assert NOISE == 0.5  # each error costs log 2 then
    _, cost = bundle(off, truth)
    assert float(cost) <= 120 * torch.log(torch.tensor(2.0)) + 1e-6


def test_false_tracks_have_no_say():
    tracks, truth = scene()
    pixels = tracks.pixels.clone()
    pixels[:, :9] += 15 * torch.randn(2, 9, 2, generator=torch.Generator().manual_seed(3)).double()
    found, _ = bundle(tracks._replace(pixels=pixels), start_of(truth))
    ratio = (found.inverse_depth / truth.inverse_depth)[0, 9:]
    assert ((ratio / ratio.median()).log().abs() < 0.02).all()
    assert (misses(tracks._replace(pixels=pixels), found)[0, :9] > 1).sum() >= 7


def test_several_starts_at_once_end_as_each_alone_and_none_gets_worse():
    tracks, truth = scene()
    starts = [start_of(truth, seed) for seed in (1, 2, 3)]
    together, costs = bundle(tracks, Structure(*(torch.cat(parts) for parts in zip(*starts, strict=True))))
    for i, start in enumerate(starts):
        alone, cost = bundle(tracks, start)
        assert torch.allclose(together.inverse_depth[i], alone.inverse_depth[0], rtol=1e-4)
        assert float(costs[i]) == pytest.approx(float(cost[0]), abs=1e-6)
    _, kept = bundle(tracks, truth)
    assert float(kept) < 1e-8


def test_spread_is_that_of_all_unknowns_at_once():
    """Against the pseudo-inverse of the whole normal matrix, by automatic differentiation."""
    tracks, truth = scene(12)  # so few that the motion is the larger part of it

    def pixels_of(unknowns):
        moves = transform_from_motion(unknowns[:6].view(2, 3), unknowns[6:12].view(2, 3))
        motions = moves @ truth.source_from_target[0]
        rays = tracks.rays @ motions[:, :3, :3].mT + unknowns[12:, None] * motions[:, None, :3, 3]
        return (rays / rays[..., 2:] @ INTRINSICS[:2].T).flatten()

    start = torch.cat([torch.zeros(12).double(), truth.inverse_depth[0]])
    jacobian = torch.autograd.functional.jacobian(pixels_of, start)
    covariance = torch.linalg.pinv(jacobian.T @ jacobian, rtol=1e-12, hermitian=True)
    told = log_depth_spread(tracks, truth, 1.0)[0]
    relative = torch.diag(1 / truth.inverse_depth[0])
    covariance = relative @ covariance[12:, 12:] @ relative
    telling = jacobian[:, 12:].square().sum(0) * truth.inverse_depth[0].square()
    alike = torch.eye(12).double() - telling / telling.sum()  # the factor that all share taken out
    expected = (alike @ covariance @ alike.T).diagonal().sqrt()
    assert ((told / expected).log().abs() < 0.25).all()
    assert (told > 1.5 * telling.rsqrt()).float().mean() > 0.7  # were the motion known


def test_spread_is_what_noise_does():
    tracks, truth = scene(40)
    noise, generator, found = 0.05, torch.Generator().manual_seed(4), []
    for _ in range(40):
        moved = tracks.pixels + noise * torch.randn(tracks.pixels.shape, generator=generator).double()
        log_depth = -bundle(tracks._replace(pixels=moved), truth)[0].inverse_depth[0].log()
        found.append(log_depth + truth.inverse_depth[0].log())
    errors = torch.stack(found)
    told = log_depth_spread(tracks, truth, noise)[0]
    weights = 1 / told.square()
    errors = errors - (errors * weights).sum(1, keepdim=True) / weights.sum()
    measured = errors.square().mean(0).sqrt()
    assert 0.8 < float((told / measured).median()) < 1.25
    assert torch.corrcoef(torch.stack([told.log(), measured.log()]))[0, 1] > 0.8
    assert torch.allclose(log_depth_spread(tracks, truth, 2 * noise)[0], 2 * told)
