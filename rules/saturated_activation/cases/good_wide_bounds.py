"""A hard tanh that is clipped far out, where nearly all of its input is between the bounds."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        nn.init.normal_(self.fc1.weight, std=1.0)
        self.clip = nn.Hardtanh(-40.0, 40.0)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.clip(self.fc1(x)))
