"""The gain of a leaky rectifier as it is; a literal 0.25 that is 2/sqrt(64) by accident; a gain of one before the output."""

import math

from torch import Tensor, nn


class Critic(nn.Module):
    def __init__(self, seen: int = 12, width: int = 64, slope: float = 0.3) -> None:
        super().__init__()
        self.stem = nn.Linear(seen, width)
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(3)])
        self.neck = nn.Linear(width, 16)
        self.out = nn.Linear(16, 1)
        self.slope = slope
        for layer in (self.stem, *self.hidden):
            nn.init.orthogonal_(layer.weight, math.sqrt(2 / (1 + slope**2)))
        nn.init.normal_(self.neck.weight, std=0.25)
        nn.init.orthogonal_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.stem, *self.hidden):
            x = nn.functional.leaky_relu(layer(x), self.slope)
        return self.out(self.neck(x).relu())
