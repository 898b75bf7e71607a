"""Wasserstein losses of a critic that tells teacher maps (real) from student maps (fake).

Source: Gulrajani et al. 2017, arXiv:1704.00028 (WGAN-GP).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from lumde.geometry.precision import full_precision


def critic_loss(real_scores: Float[Tensor, " b"], fake_scores: Float[Tensor, " b"]) -> Float[Tensor, ""]:
    """Train the critic to score real maps high and fake ones low: mean fake - mean real, unbounded."""
    return fake_scores.mean() - real_scores.mean()


def student_loss(fake_scores: Float[Tensor, " b"]) -> Float[Tensor, ""]:
    """Train the student to be scored high: - mean fake, unbounded."""
    return -fake_scores.mean()


@full_precision
def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Float[Tensor, "b c h w"],
    fake: Float[Tensor, "b c h w"],
    epsilon: Float[Tensor, " b"],
) -> Float[Tensor, ""]:
    """Penalise slopes of the critic other than 1 between real and fake maps: mean of (|gradient| - 1)^2.

    Runs in full precision. Never compile the critic's step: compiled second derivatives were silently lost.
    The critic may hold no batch statistics and no attention kernel without a second derivative.

    Args:
        critic: answers one score per map, each from its own map alone.
        real: teacher maps; no gradient reaches them.
        fake: student maps; no gradient reaches them.
        epsilon: share of the real map in each blend, uniform draws in [0, 1].

    Raises:
        ValueError: when the critic's scores do not depend on the maps.

    Source: Gulrajani et al. 2017, arXiv:1704.00028, sec. 4 (eq. 3, without its weight of 10).
    """
    share = epsilon[:, None, None, None]
    blend = (share * real + (1 - share) * fake).detach().requires_grad_()
    with torch.enable_grad():
        scores = critic(blend)
        if not scores.requires_grad:
            raise ValueError(
                "the critic's scores carry no gradient: was it run under no_grad, or detached inside?"
            )
        (slope,) = torch.autograd.grad(scores.sum(), blend, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()
