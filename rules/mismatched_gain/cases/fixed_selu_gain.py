"""The gain of 3/4 that the table has for SELU, and the gain of ReLU before tanh: notes."""

import math

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 128, depth: int = 8) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Linear(width, width), nn.SELU()]
        self.body = nn.Sequential(*layers)
        self.last = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh())
        self.head = nn.Linear(width, 10)
        for m in self.body:
            if isinstance(m, nn.Linear):
                nn.init.kaiming_normal_(m.weight, nonlinearity="linear")  # finding: mismatched-gain
                nn.init.zeros_(m.bias)
        for m in self.last:
            if isinstance(m, nn.Linear):
                nn.init.orthogonal_(m.weight, 5 / 3)  # finding: mismatched-gain

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.last(self.body(x)))
