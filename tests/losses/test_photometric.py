import pytest
import torch

from lumde.losses.photometric import (
    geometry_consistency,
    minimum_reprojection,
    reprojection_error,
    ssim_map,
)

SHAPES = [(1, 1, 2, 2), (2, 3, 4, 3), (1, 2, 7, 9)]


def pair(shape, seed=0):
    return torch.rand(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def reflected(index, length):
    return -index if index < 0 else 2 * (length - 1) - index if index >= length else index


def window(picture, row, column):
    """The nine values around a pixel, border reflected."""
    h, w = picture.shape
    rows = [reflected(row + step, h) for step in (-1, 0, 1)]
    columns = [reflected(column + step, w) for step in (-1, 0, 1)]
    return torch.stack([picture[r, c] for r in rows for c in columns])


def loop_ssim_loss(a, b):
    answer = torch.zeros_like(a)
    for i, c, y, x in torch.cartesian_prod(*(torch.arange(n) for n in a.shape)).tolist():
        u, v = window(a[i, c], y, x), window(b[i, c], y, x)
        mean_u, mean_v = u.mean(), v.mean()
        covariance = ((u - mean_u) * (v - mean_v)).mean()
        ssim = (2 * mean_u * mean_v + 1e-4) * (2 * covariance + 9e-4)
        ssim = ssim / (mean_u**2 + mean_v**2 + 1e-4)
        ssim = ssim / (u.var(correction=0) + v.var(correction=0) + 9e-4)
        answer[i, c, y, x] = min(max((1 - ssim) / 2, 0), 1)
    return answer


@pytest.mark.parametrize("shape", SHAPES)
def test_ssim_agrees_with_a_loop(shape):
    a, b = pair(shape)
    torch.testing.assert_close(ssim_map(a, b), loop_ssim_loss(a, b), atol=1e-10, rtol=0)


def test_ssim_by_hand():
    """Flat pictures have no variance: only the means' term is left."""
    a, b = torch.full((1, 1, 4, 4), 0.2).double(), torch.full((1, 1, 4, 4), 0.6).double()
    ssim = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    torch.testing.assert_close(ssim_map(a, b), torch.full((1, 1, 4, 4), (1 - ssim) / 2).double())
    assert ssim_map(a, a).abs().max() < 1e-12


def test_ssim_of_opposite_textures_is_clamped_at_one():
    board = (torch.arange(6)[:, None] + torch.arange(6)) % 2
    a = board.double()[None, None]
    answer = ssim_map(a, 1 - a)
    assert answer.max() <= 1
    assert answer.min() > 0.9


def test_a_picture_without_neighbours_is_refused():
    with pytest.raises(ValueError, match="at least 2 x 2"):
        ssim_map(torch.rand(1, 3, 1, 8), torch.rand(1, 3, 1, 8))


def test_single_precision_stays_near_double():
    a, b = pair((2, 3, 16, 24))
    torch.testing.assert_close(ssim_map(a.float(), b.float()).double(), ssim_map(a, b), atol=2e-4, rtol=0)


def test_reprojection_error_by_hand():
    pred, target = torch.full((1, 3, 4, 4), 0.2).double(), torch.full((1, 3, 4, 4), 0.6).double()
    ssim_loss = (1 - (2 * 0.12 + 1e-4) / (0.4 + 1e-4)) / 2
    expected = torch.full((1, 1, 4, 4), 0.85 * ssim_loss + 0.15 * 0.4).double()
    torch.testing.assert_close(reprojection_error(pred, target), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_reprojection_error_agrees_with_a_loop(shape):
    pred, target = pair(shape, seed=1)
    ssim_loss = loop_ssim_loss(pred, target)
    answer = reprojection_error(pred, target)
    for i, y, x in torch.cartesian_prod(*(torch.arange(shape[n]) for n in (0, 2, 3))).tolist():
        l1 = sum(abs(pred[i, c, y, x] - target[i, c, y, x]) for c in range(shape[1])) / shape[1]
        ssim = sum(ssim_loss[i, c, y, x] for c in range(shape[1])) / shape[1]
        torch.testing.assert_close(answer[i, 0, y, x], 0.85 * ssim + 0.15 * l1, atol=1e-10, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_reprojection_gradient(shape):
    pred, target = pair(shape, seed=2)
    assert torch.autograd.gradcheck(reprojection_error, (pred.requires_grad_(), target))


def row(*values):
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)


def test_minimum_by_hand():
    errors = torch.cat([row(0.3, 0.1, 0.5, 0.2), row(0.2, 0.4, 0.6, 0.2)], 1)
    identity = torch.cat([row(0.9, 0.9, 0.4, 0.2), row(0.9, 0.05, 0.9, 0.9)], 1)
    result = minimum_reprojection(errors, identity)
    torch.testing.assert_close(result.error, row(0.2, 0.05, 0.4, 0.2))
    assert result.identity_wins.flatten().tolist() == [False, True, True, False], "a tie goes to the warp"
    assert result.loss.item() == pytest.approx(0.85 / 4)


def test_valid_pixels_alone_count():
    errors, identity = row(0.3, 0.1, 0.5, 0.2), row(0.9, 0.9, 0.4, 0.9)
    valid = torch.tensor([True, False, True, False]).view(1, 1, 1, -1)
    result = minimum_reprojection(errors, identity, valid)
    assert result.loss.item() == pytest.approx((0.3 + 0.4) / 2)
    assert result.error.flatten().tolist() == [0.3, 0.0, 0.4, 0.0]


def test_a_source_is_not_chosen_for_being_trusted_little():
    """Errors .10 and .05 trusted by .1 and .95: the second is the better one, and adds .0475."""
    errors = torch.cat([row(0.10, 0.05), row(0.05, 0.30)], 1)
    learned = errors * torch.cat([row(0.1, 0.3), row(0.95, 0.5)], 1)
    result = minimum_reprojection(errors, row(0.9, 0.02), learned=learned)
    torch.testing.assert_close(result.error, row(0.0475, 0.02))
    assert result.identity_wins.flatten().tolist() == [False, True], "nor is the auto-mask passed by it"


def test_noise_breaks_ties():
    errors = row(0.2, 0.2).requires_grad_()
    result = minimum_reprojection(errors, errors.detach().clone(), noise=row(-1e-5, 1e-5))
    assert result.identity_wins.flatten().tolist() == [True, False]
    result.loss.backward()
    assert errors.grad.flatten().tolist() == [0.0, 0.5], "a pixel that identity wins gives no gradient"


@pytest.mark.parametrize("bad", [0.5, float("nan")])
def test_nothing_valid_is_zero_with_a_zero_gradient(bad):
    errors = torch.full((2, 2, 3, 4), bad).requires_grad_()
    result = minimum_reprojection(errors, valid=torch.zeros(2, 1, 3, 4, dtype=torch.bool))
    assert result.loss == 0
    result.loss.backward()
    assert (errors.grad == 0).all()


@pytest.mark.parametrize("shape", [(1, 1, 2, 3), (2, 3, 4, 5)])
@pytest.mark.parametrize("masked", [False, True])
def test_minimum_agrees_with_a_loop(shape, masked):
    errors, identity = pair(shape, seed=3)
    b, s, h, w = shape
    valid = torch.rand(b, 1, h, w, generator=torch.Generator().manual_seed(5)) < 0.6 if masked else None
    result = minimum_reprojection(errors, identity, valid)
    total, count = 0.0, 0
    for i in range(b):
        for y in range(h):
            for x in range(w):
                if masked and not valid[i, 0, y, x]:
                    continue
                best, best_identity = min(errors[i, :, y, x]), min(identity[i, :, y, x])
                total, count = total + min(best, best_identity), count + 1
    torch.testing.assert_close(result.loss, total / count)


def test_minimum_gradient():
    errors, identity = pair((2, 2, 3, 4), seed=4)
    valid = torch.rand(2, 1, 3, 4) < 0.5
    inputs = (errors.requires_grad_(), identity, valid)
    assert torch.autograd.gradcheck(lambda *given: minimum_reprojection(*given).loss, inputs)


def test_consistency_by_hand():
    moved, sampled = row(2.0, 3.0, -1.0, 4.0), row(2.0, 1.0, 1.0, 12.0)
    torch.testing.assert_close(geometry_consistency(moved, sampled), row(0.0, 0.5, 1.0, 0.5))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 1, 3, 4)])
def test_consistency_agrees_with_a_loop_and_its_gradient_is_right(shape):
    moved, sampled = 1 + pair(shape, seed=6)
    answer = geometry_consistency(moved, sampled).flatten()
    for given, a, b in zip(answer, moved.flatten(), sampled.flatten(), strict=True):
        torch.testing.assert_close(given, max(a - b, b - a) / (a + b))
    inputs = (moved.requires_grad_(), sampled.requires_grad_())
    assert torch.autograd.gradcheck(geometry_consistency, inputs)
