"""A spread of 0.05 for a uniform draw, given where its lower bound stands."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64, spread: float = 0.05) -> None:
        super().__init__()
        self.spread = spread
        self.fc1 = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.fc2 = nn.Linear(width, 10)
        nn.init.uniform_(self.fc1.weight, self.spread)  # finding: std-passed-as-mean
        self.fc2.weight.data.uniform_(0.1)  # finding: std-passed-as-mean

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(torch.relu(self.norm(self.fc1(x))))
