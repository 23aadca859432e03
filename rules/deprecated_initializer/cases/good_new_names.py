"""The names with an underscore, and functions of other modules that have the old ones."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc1 = nn.Linear(32, width)
        self.fc2 = nn.Linear(width, 10)
        nn.init.kaiming_normal_(self.fc1.weight, nonlinearity="relu")
        nn.init.constant_(self.fc2.bias, 0)
        self.shift = nn.Parameter(torch.normal(0.0, 0.02, (width,)))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).relu() + self.shift)
