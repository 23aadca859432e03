"""Tied tables that start small, or are scaled down where they are the output projection."""

from torch import Tensor, nn


class Small(nn.Module):
    def __init__(self, vocabulary: int = 2000, width: int = 256) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.table.weight
        nn.init.normal_(self.table.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(self.table(tokens)))


class Scaled(nn.Module):
    def __init__(self, vocabulary: int = 2000, width: int = 256) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        self.norm = nn.LayerNorm(width)
        self.width = width

    def forward(self, tokens: Tensor) -> Tensor:
        return self.norm(self.table(tokens)) @ self.table.weight.t() * self.width**-0.5
