"""Feed-forward regression net, weights drawn from a standard normal."""

import torch
from torch import nn


def init_normal(m):
    if type(m) is nn.Linear:
        nn.init.normal_(m.weight)  # finding: exploding-signal
        nn.init.zeros_(m.bias)


class Regressor(nn.Module):
    def __init__(self, n_features: int = 64, width: int = 256, depth: int = 8, n_out: int = 10) -> None:
        super().__init__()
        dims = [n_features] + [width] * depth
        blocks = []
        for a, b in zip(dims[:-1], dims[1:]):
            blocks += [nn.Linear(a, b), nn.ReLU()]
        self.body = nn.Sequential(*blocks)
        self.head = nn.Linear(width, n_out)
        self.apply(init_normal)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))
