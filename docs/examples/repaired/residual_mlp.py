"""A thousand layers in five hundred residual blocks, without normalization, started as He et al. (2015) say: it overflows.

Every block adds a branch as large as its trunk, so that each doubles the second moment: 2^500 is more than a float can hold.
"""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)
        for layer in (self.fc1, self.fc2):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.fc2.weight)
        self.fc1.weight.data.mul_(500**-0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.fc2(torch.relu(self.fc1(x)))  # the sum grows


class ResidualMLP(nn.Module):
    def __init__(self, features: int = 64, width: int = 64, blocks: int = 500, classes: int = 10):
        super().__init__()
        self.stem = nn.Linear(features, width)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(blocks)])
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x)))
