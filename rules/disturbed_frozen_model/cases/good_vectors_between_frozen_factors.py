"""VeRA: frozen random factors, and trained vectors of which the outer one starts at zero."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Adapted(nn.Module):
    def __init__(self, base: nn.Linear, rank: int = 16) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5, requires_grad=False)
        self.up = nn.Parameter(torch.randn(base.out_features, rank) / rank**0.5, requires_grad=False)
        self.inner = nn.Parameter(torch.full((rank,), 0.1))
        self.outer = nn.Parameter(torch.zeros(base.out_features))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + F.linear(F.linear(x, self.down) * self.inner, self.up) * self.outer


class Tuned(nn.Module):
    def __init__(self, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Adapted(nn.Linear(width, width)) for _ in range(depth)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x).relu()
        return x
