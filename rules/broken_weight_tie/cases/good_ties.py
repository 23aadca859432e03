"""Ties that hold, and ones that are undone on purpose."""

import torch
from torch import Tensor, nn


class Tied(nn.Module):
    """Tied when all is made."""

    def __init__(self, vocabulary: int = 100, width: int = 32) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.tokens.weight = nn.Parameter(0.02 * torch.randn(vocabulary, width))
        self.head.weight = self.tokens.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.norm(self.tokens(ids)))


class TiedAgain(nn.Module):
    """The table is made anew, and both are tied again, as after a change of the vocabulary's size."""

    def __init__(self, vocabulary: int = 100, width: int = 32) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.tie()
        self.tokens = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.tie()

    def tie(self) -> None:
        self.head.weight = self.tokens.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.norm(self.tokens(ids)))


class WithHead(Tied):
    """An heir with a head of its own, as large as the tied one."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(32, 100, bias=False)


class Exchanged(nn.Module):
    """Two layers that change their weights with each other, and one weight that is moved out of its layer."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.one = nn.Linear(width, width)
        self.two = nn.Linear(width, width)
        self.three = nn.Linear(width, width)
        first = self.one.weight
        self.one.weight = self.two.weight
        self.two.weight = first
        self.kept = self.three.weight
        self.three.weight = nn.Parameter(torch.randn(width, width) / width**0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.three(torch.tanh(self.two(torch.tanh(self.one(x))))) @ self.kept
