"""Sine layers in the published start: even gradients, in spite of the factor 30."""

import math

import torch
from torch import Tensor, nn


class Sine(nn.Module):
    def __init__(self, n: int, m: int, first: bool = False, omega: float = 30.0) -> None:
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(n, m)
        bound = 1 / n if first else math.sqrt(6 / n) / omega
        nn.init.uniform_(self.linear.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega * self.linear(x))


class Siren(nn.Module):
    def __init__(self, width: int = 128, depth: int = 5) -> None:
        super().__init__()
        self.net = nn.Sequential(Sine(2, width, first=True), *[Sine(width, width) for _ in range(depth - 1)])
        self.out = nn.Linear(width, 3)
        bound = math.sqrt(6 / width) / 30
        nn.init.uniform_(self.out.weight, -bound, bound)

    def forward(self, coords: Tensor) -> Tensor:
        return self.out(self.net(coords))
