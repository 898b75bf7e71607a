"""How well a warped source explains the target: SSIM and L1, minimum over sources, auto-mask, consistency."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lumde.geometry.precision import full_precision

SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2  # for values in [0, 1]
SSIM_SHARE, L1_SHARE = 0.85, 0.15  # Godard et al. 2019, sec. 3 (alpha = 0.85)


class MinimumReprojection(NamedTuple):
    """Result of `minimum_reprojection`."""

    loss: Float[Tensor, ""]  # mean of `error` over valid pixels, 0 if there are none
    identity_wins: Bool[Tensor, "b 1 h w"]  # auto-mask: True where valid and an unwarped source is best
    error: Float[Tensor, "b 1 h w"]  # what each pixel adds to it, 0 where not valid


@full_precision
def ssim_map(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Compare 3x3 neighbourhoods by structural similarity: (1 - SSIM) / 2 clamped to [0, 1], 0 = equal.

    Uniform 3x3 windows, reflected border, values in [0, 1]. In fp32 the variances of flat pixels cancel to
    about 1e-4, as in every form of this formula.

    Raises:
        ValueError: for pictures of fewer than two rows or columns, which have no reflection.

    Source: Godard et al. 2019, arXiv:1806.01260, sec. 3; constants of Wang et al. 2004 (SSIM).
    """
    if min(a.shape[-2:]) < 2:
        raise ValueError(f"pictures of at least 2 x 2 pixels needed, found {tuple(a.shape[-2:])}")
    mean_a, mean_b = _mean_3x3(a), _mean_3x3(b)
    mean_product = mean_a * mean_b
    mean_squares = mean_a.square() + mean_b.square()
    covariance = _mean_3x3(a * b) - mean_product
    variances = _mean_3x3(a.square() + b.square()) - mean_squares
    numerator = (2 * mean_product + SSIM_C1) * (2 * covariance + SSIM_C2)
    denominator = (mean_squares + SSIM_C1) * (variances + SSIM_C2)
    return (0.5 - 0.5 * numerator / denominator).clamp(0, 1)


@full_precision
def reprojection_error(
    pred: Float[Tensor, "b c h w"], target: Float[Tensor, "b c h w"]
) -> Float[Tensor, "b 1 h w"]:
    """Mix SSIM and absolute difference per pixel, each a mean over channels; RGB in [0, 1], 0 = equal.

    Source: Godard et al. 2019, arXiv:1806.01260, sec. 3 (eq. 1 and 2).
    """
    l1 = (pred - target).abs().mean(1, keepdim=True)
    return SSIM_SHARE * ssim_map(pred, target).mean(1, keepdim=True) + L1_SHARE * l1


def minimum_reprojection(
    errors: Float[Tensor, "b s h w"],
    identity: Float[Tensor, "b _ h w"] | None = None,
    valid: Bool[Tensor, "b 1 h w"] | None = None,
    noise: Float[Tensor, "b _ h w"] | None = None,
    learned: Float[Tensor, "b s h w"] | None = None,
) -> MinimumReprojection:
    """Take each pixel's best source, unwarped ones included, and average over valid pixels.

    Args:
        errors: of the warped sources.
        identity: errors of the unwarped sources; a pixel they win gives no gradient. None = no auto-mask.
        valid: pixels that count; None = all.
        noise: added to `identity` as it is, to break ties on static frames (Monodepth2: 1e-5 * normal draws).
        learned: what the chosen source adds to the loss, e.g. its error times how far it is trusted; None =
            its error. It is chosen by the errors alone, or a source would win by being trusted least.

    Source: Godard et al. 2019, arXiv:1806.01260, sec. 3.1 and 3.2 (eq. 4 and 5), auto-mask as in the released
    code: identity errors join the minimum.
    """
    if valid is None:
        valid = torch.ones_like(errors[:, :1], dtype=torch.bool)
    error, best = torch.where(valid, errors, 0.0).min(1, keepdim=True)
    loss = error if learned is None else torch.where(valid, learned.gather(1, best), 0.0)
    identity_wins = torch.zeros_like(valid)
    if identity is not None:
        least_identity = (identity if noise is None else identity + noise).amin(1, keepdim=True)
        identity_wins = valid & (least_identity < error)
        loss = torch.where(identity_wins, least_identity, loss)
    return MinimumReprojection(loss.sum() / valid.sum().clamp(min=1), identity_wins, loss)


def geometry_consistency(
    moved_depth: Float[Tensor, "b 1 h w"], sampled_depth: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, "b 1 h w"]:
    """Compare two depths of the same point in the source frame: |a - b| / (a + b), in [0, 1], 0 = equal.

    Its mean over valid pixels is SC-Depth's consistency loss; 1 - it, detached, is the self-discovered mask
    that weights the photometric error.

    Args:
        moved_depth: z of the target's points after the motion, metres; points behind the source count as 0.
        sampled_depth: the source's own depth map where those points fall, metres, > 0.

    Source: Bian et al. 2019, arXiv:1908.10553, eq. 4 to 6.
    """
    moved_depth = moved_depth.clamp(min=0)
    return (moved_depth - sampled_depth).abs() / (moved_depth + sampled_depth)


def _mean_3x3(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """3x3 mean, reflected border, as two passes of shifted sums: 2-4x faster than pooling on a CPU."""
    rows = torch.cat([x[..., 1:2, :], x, x[..., -2:-1, :]], dim=-2)
    rows = rows[..., :-2, :] + rows[..., 1:-1, :] + rows[..., 2:, :]
    columns = torch.cat([rows[..., 1:2], rows, rows[..., -2:-1]], dim=-1)
    return (columns[..., :-2] + columns[..., 1:-1] + columns[..., 2:]) / 9
