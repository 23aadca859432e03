"""Waves of size one that mark the places, added to tokens of 0.02 that nobody multiplies by the root of the width."""

import torch
from torch import Tensor, nn


class Places(nn.Module):
    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        rates = 1e4 ** (-torch.arange(0, width, 2) / width)
        angles = torch.outer(torch.arange(length), rates)
        self.register_buffer("waves", torch.cat([angles.sin(), angles.cos()], -1))
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(x + self.waves[: x.shape[1]])


class Tagger(nn.Module):
    def __init__(self, words: int = 800, width: int = 64, length: int = 40, depth: int = 2, tags: int = 9) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        nn.init.normal_(self.words.weight, std=0.6)  # finding: drowned-input
        self.places = Places(length, width)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(width), enable_nested_tensor=False)
        self.tags = nn.Linear(width, tags)

    def forward(self, ids: Tensor) -> Tensor:
        return self.tags(self.body(self.places(self.words(ids))))
