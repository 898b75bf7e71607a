"""A shallow network that repaints pictures: what simulated ones wear to look like a teacher's own."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

WIDTH = 24  # channels


class ImageTransform(nn.Module):
    """Adds what four convolutions make of a picture to it; at first that is nothing.

    Four 3x3 convolutions see no farther than 4 pixels: geometry stays, and edges do not move by more than
    a pixel as `data_free` trains them (a test holds that).

    Source: a shallow network that repaints pictures: Hu et al. 2023, arXiv:2208.12464; its layers are ours.
    """

    def __init__(self) -> None:
        """The last layer begins at zero: the picture as it is."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, WIDTH, 3, padding=1, padding_mode="replicate"),
            nn.ReLU(inplace=True),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1, padding_mode="replicate"),
            nn.ReLU(inplace=True),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1, padding_mode="replicate"),
            nn.ReLU(inplace=True),
            nn.Conv2d(WIDTH, 3, 3, padding=1, padding_mode="replicate"),
        )
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Repaint RGB in [0, 1]; the answer is in [0, 1] too."""
        return torch.clamp(images + self.layers(images - 0.5).float(), 0, 1)
