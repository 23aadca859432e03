"""He's variance of 2 / inputs, given as a deviation of 2 / sqrt(inputs)."""

import math

from torch import Tensor, nn


class Regressor(nn.Module):
    def __init__(self, seen: int = 24) -> None:
        super().__init__()
        sizes = [seen, 128, 96, 64, 48]
        self.hidden = nn.ModuleList([nn.Linear(*pair) for pair in zip(sizes, sizes[1:], strict=False)])
        self.out = nn.Linear(sizes[-1], 1)
        for layer in self.hidden:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # finding: mismatched-gain

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = layer(x).relu()
        return self.out(x)
