"""A transformer that scores whole depth maps, built so that its gradient can be differentiated again."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lumde.nets.base import Critic, pad_to_multiple
from lumde.registry import Named


class CriticTransformer(Critic):
    """Patch tokens and a class token through pre-norm blocks; the class token becomes the score.

    Source: Hu et al. 2022, Appl. Sci. 12(24), 12593, sec. 3.4 puts a transformer here; tokens and blocks
    follow Jiang et al. 2021 (TransGAN), arXiv:2102.07074; one patch size, sine positions, sizes: our choice.
    """

    @dataclass(kw_only=True)
    class Config(Named):
        """Knobs of the transformer critic."""

        name: str = "critic_transformer"
        channels: Literal[1, 4] = 1  # of the maps; 4 = depth and RGB
        patch: int = 16  # pixels
        dim: int = 128  # token width, a multiple of 4 and of `heads`
        depth: int = 3  # blocks
        heads: int = 4

        def __post_init__(self) -> None:
            limits = {"patch": 128, "dim": 2048, "depth": 64, "heads": 64}
            for key, most in limits.items():
                if not 1 <= getattr(self, key) <= most:
                    raise ValueError(f"{key}: 1 to {most}, found {getattr(self, key)}")
            if self.dim % 4 or self.dim % self.heads:
                raise ValueError(f"dim: a multiple of 4 and of heads ({self.heads}), found {self.dim}")

    def __init__(self, config: Config) -> None:
        """Build embedding, blocks and score."""
        super().__init__()
        self.config = config
        self.embed = nn.Conv2d(config.channels, config.dim, config.patch, stride=config.patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, config.dim))
        self.blocks = nn.ModuleList(_Block(config.dim, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.dim)
        self.score = nn.Linear(config.dim, 1)
        nn.init.trunc_normal_(self.class_token, std=0.02)
        self.apply(_start)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
        """One unbounded score per map, any size (the last row and column are repeated to whole patches)."""
        x = self.embed(pad_to_multiple(maps, self.config.patch))
        x = x + sine_positions(x.shape[2], x.shape[3], x)
        tokens = x.flatten(2).transpose(1, 2)  # [b, t, d]
        tokens = torch.cat((self.class_token.expand(len(tokens), -1, -1), tokens), dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.score(self.norm(tokens[:, 0]))[:, 0]


class _Block(nn.Module):
    """Pre-norm attention and MLP (ratio 4, LeakyReLU).

    The softmax is written out: fused attention kernels have no second derivative, which the penalty needs.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.project = nn.Linear(dim, dim)
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.LeakyReLU(0.2), nn.Linear(4 * dim, dim))

    def forward(self, tokens: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        tokens = tokens + self.attend(self.norm_attention(tokens))
        return tokens + self.mlp(self.norm_mlp(tokens))

    def attend(self, tokens: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        b, t, d = tokens.shape
        query, key, value = self.qkv(tokens).view(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(query @ key.transpose(-2, -1) / math.sqrt(d // self.heads), dim=-1)
        return self.project((weights @ value).transpose(1, 2).reshape(b, t, d))


def sine_positions(rows: int, columns: int, like: Tensor) -> Float[Tensor, "1 d rows columns"]:
    """Positions of a grid as sines and cosines, half of the width for rows and half for columns.

    Source: Vaswani et al. 2017, arXiv:1706.03762, sec. 3.5, once per axis (our choice: any size works).
    """
    quarter = like.shape[1] // 4
    rates = 10000.0 ** (-torch.arange(quarter, device=like.device, dtype=like.dtype) / quarter)
    parts = []
    for count, shape in ((rows, (quarter, rows, 1)), (columns, (quarter, 1, columns))):
        steps = torch.arange(count, device=like.device, dtype=like.dtype)
        angles = (rates[:, None] * steps).view(shape).expand(quarter, rows, columns)
        parts += [angles.sin(), angles.cos()]
    return torch.cat(parts)[None]


def _start(module: nn.Module) -> None:
    """Truncated normal of 0.02 for linear layers, as in TransGAN."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
