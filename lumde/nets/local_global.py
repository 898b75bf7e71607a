"""A convolution that also knows the whole picture, as in the encoder of DisDepth's student."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

SHRINK = 4  # channels of the small layers, as a share of the convolution's


class LocalGlobal(nn.Module):
    """Adds a summary of the whole map to a convolution's answer, where an attention asks for it.

    A second branch reads the same input, is averaged over all pixels and put back by an attention that looks
    at the local answer and the summary. The last layer of that branch begins at zero: an untrained network
    answers as it would without.

    Source: Zheng et al. 2024, arXiv:2404.16386 (LG-Conv): the two branches, pooling to 1x1 and an attention
    that puts the global part back. Layers and sizes are ours: the paper's were not at hand. There it stands
    beside every 3x3 convolution of a pretrained backbone, here beside one of the two of each level.
    """

    def __init__(self, local: nn.Module, channels_in: int, channels: int) -> None:
        """Wrap a block from `channels_in` to `channels`."""
        super().__init__()
        self.local = local
        inner = max(4, channels // SHRINK)
        self.summary = nn.Sequential(nn.Conv2d(channels_in, inner, 1), nn.ReLU(inplace=True))
        self.attention = nn.Sequential(
            nn.Conv2d(channels + inner, inner, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, channels, 1),
            nn.Sigmoid(),
        )
        self.back = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.back.weight)
        assert self.back.bias is not None
        nn.init.zeros_(self.back.bias)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Run the block and add what is global."""
        local = self.local(x)
        whole = self.summary(x).mean((2, 3), keepdim=True)
        spread = whole.expand(-1, -1, local.shape[-2], local.shape[-1])
        return local + self.attention(torch.cat((local, spread), dim=1)) * self.back(whole)
