"""Orthogonal weights of more outputs than inputs, whose gain of sqrt(outputs / inputs) makes up for that, before a squared rectifier."""

import math

import torch
from torch import Tensor, nn


class Mix(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.key = nn.Linear(width, 4 * width, bias=False)
        self.value = nn.Linear(4 * width, width, bias=False)
        nn.init.orthogonal_(self.key.weight, gain=math.sqrt(4))
        nn.init.zeros_(self.value.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.value(torch.relu(self.key(self.norm(x))) ** 2)


class Net(nn.Module):
    def __init__(self, seen: int = 20, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Linear(seen, width)
        self.mixes = nn.Sequential(*[Mix(width) for _ in range(3)])
        self.wide = nn.ModuleList([nn.Linear(width, 4 * width), nn.Linear(4 * width, 16 * width)])
        for layer in self.wide:
            nn.init.orthogonal_(layer.weight, gain=2.0)
        self.head = nn.Linear(16 * width, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mixes(self.stem(x))
        for layer in self.wide:
            x = layer(x).relu()
        return self.head(x)
