"""He's variance, which is for units that are zero half of the time, in front of maxima."""

import torch
from torch import Tensor, nn


class Maxout(nn.Module):
    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(inputs, units * pieces)
        nn.init.kaiming_normal_(self.linear.weight, a=1.612)  # finding: mismatched-maxout-gain
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        return x.view(*x.shape[:-1], -1, self.pieces).max(dim=-1).values


class Five(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(Maxout(64, width, 5), Maxout(width, width, 5))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x))
