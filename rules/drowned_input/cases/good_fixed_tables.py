"""Tokens multiplied by the root of the width before waves are added; a grid of points that a small step moves."""

import math

import torch
from torch import Tensor, nn


class Tagger(nn.Module):
    def __init__(self, words: int = 800, width: int = 64, length: int = 40, tags: int = 9) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        nn.init.normal_(self.words.weight, std=width**-0.5)
        angles = torch.outer(torch.arange(length), 1e4 ** (-torch.arange(0, width, 2) / width))
        self.register_buffer("waves", torch.cat([angles.sin(), angles.cos()], -1))
        self.body = nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True, norm_first=True)
        self.tags = nn.Linear(width, tags)

    def forward(self, ids: Tensor) -> Tensor:
        x = math.sqrt(self.words.embedding_dim) * self.words(ids) + self.waves[: ids.shape[1]]
        return self.tags(self.body(x))


class Warped(nn.Module):
    def __init__(self, size: int = 12, channels: int = 8) -> None:
        super().__init__()
        self.moves = nn.Conv2d(3, 2, 3, padding=1)
        nn.init.normal_(self.moves.weight, std=1e-3)
        nn.init.zeros_(self.moves.bias)
        line = torch.linspace(-1, 1, size)
        self.register_buffer("grid", torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)[None])
        self.features = nn.Conv2d(3, channels, 3)
        self.head = nn.Linear(channels, 4)

    def forward(self, images: Tensor) -> Tensor:
        """images: (batch, 3, 12, 12)."""
        places = self.grid + self.moves(images).permute(0, 2, 3, 1)
        moved = nn.functional.grid_sample(images, places, align_corners=False)
        return self.head(self.features(moved).relu().mean((2, 3)))
