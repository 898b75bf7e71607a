"""Distances between feature maps, weighted by where a teacher's attention lies."""

import torch
from jaxtyping import Float
from torch import Tensor

from lumde.geometry.precision import full_precision


@full_precision
def attention_map(feature: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
    """Softmax over pixels of the mean |feature| over channels, times their number: 1 on average.

    Without that factor the weights would be of order 1 / (h w), and the term would vanish.

    Source: that attention over pixels picks what is worth imitating: Zheng et al. 2024, arXiv:2404.16386;
    its formula was not at hand, this one is ours.
    """
    strength = feature.abs().mean(1, keepdim=True)
    return strength.flatten(1).softmax(1).view_as(strength) * strength[0].numel()


@full_precision
def attentive_distance(
    student: Float[Tensor, "b c h w"], teacher: Float[Tensor, "b c h w"]
) -> Float[Tensor, ""]:
    """Mean squared difference over channels, weighted by the teacher's attention, averaged over pixels."""
    difference = (student - teacher).square().mean(1, keepdim=True)
    return (attention_map(teacher.detach()) * difference).mean()


def plain_distance(student: Float[Tensor, "b c h w"], teacher: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """Mean squared difference: what attention has to beat."""
    return torch.nn.functional.mse_loss(student.float(), teacher.float())
