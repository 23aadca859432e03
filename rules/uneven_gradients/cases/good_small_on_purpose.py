"""Small starts that are meant: a layer scale, a head at 0.01, one at zero."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(1e-6 * torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gamma * self.down(nn.functional.gelu(self.up(self.norm(x))))


class Scaled(nn.Module):
    def __init__(self, width: int = 96, depth: int = 6) -> None:
        super().__init__()
        self.enter = nn.Linear(64, width)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.enter(x))))


class Actor(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh())
        self.head = nn.Linear(width, 4)
        for layer in (self.body[0], self.body[2]):
            nn.init.orthogonal_(layer.weight)
        nn.init.orthogonal_(self.head.weight, gain=0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))
