"""Weights with the variance of maxout, maxima that a normalization follows, and maxima that are no maxout."""

import torch
from torch import Tensor, nn


class Maxout(nn.Module):
    def __init__(self, inputs: int, units: int, pieces: int, needed: float) -> None:
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(inputs, units * pieces)
        nn.init.normal_(self.linear.weight, std=(needed / inputs) ** 0.5)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        return x.view(*x.shape[:-1], -1, self.pieces).amax(-1)


class Five(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(*[Maxout(width, width, 5, 0.5555) for _ in range(6)])
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x))


class Normalized(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, 2 * width) for _ in range(3)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(width) for _ in range(3)])
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer, norm in zip(self.layers, self.norms):
            x = norm(layer(x).unflatten(-1, (2, -1)).amax(1))
        return self.head(x)


class Pooled(nn.Module):
    """The maximum over tokens, and over all features."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.a = nn.Linear(width, width)
        self.b = nn.Linear(width, width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x.view(-1, 4, 64)).amax(1)
        return self.head(self.b(x)) - self.b(x).amax(-1, keepdim=True)
