"""Bells as wide as the root of the dimension; narrow ones that are divided by their sum; narrow ones of one number."""

import torch
from torch import Tensor, nn


class Sensor(nn.Module):
    def __init__(self, seen: int = 40, centres: int = 64, outputs: int = 4) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(centres, seen))
        self.read = nn.Linear(centres, outputs)
        self.read_shares = nn.Linear(centres, outputs)
        self.register_buffer("grid", torch.linspace(-3, 3, 20))
        self.read_grid = nn.Linear(20, outputs)

    def forward(self, x: Tensor) -> Tensor:
        away = ((x[:, None] - self.centres) ** 2).sum(-1)
        wide = torch.exp(-away / x.shape[1])
        near = torch.exp(-0.1 * away)
        shares = near / near.sum(-1, keepdim=True)
        smeared = torch.exp(-10 * (x[:, :1] - self.grid) ** 2)
        return self.read(wide) + self.read_shares(shares) + self.read_grid(smeared)
