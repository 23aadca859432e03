"""A U-Net of eight levels that adds what each level of its encoder held."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 128, depth: int = 8) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(depth))
        self.up = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(depth))
        for layer in (*self.down, *self.up):
            nn.init.orthogonal_(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for layer in self.down:
            skips.append(x)
            x = layer(x)
        for layer in self.up:
            x = layer(x) + skips.pop()  # finding: growing-long-skips
        return x
