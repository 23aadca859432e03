"""Rows that are copied where they do not make units alike, or that are told apart at once."""

import torch
from torch import Tensor, nn


class Experts(nn.Module):
    """Every expert starts as a copy of one layer; the rows of that layer differ."""

    def __init__(self, width: int = 64, experts: int = 4) -> None:
        super().__init__()
        one = torch.randn(1, width, width) / width**0.5
        self.weight = nn.Parameter(one.repeat(experts, 1, 1))
        self.route = nn.Linear(width, experts)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        shares = self.route(x).softmax(-1)
        mixed = torch.einsum("be,bi,eio->bo", shares, x, self.weight)
        return self.head(mixed.relu())


class Inflated(nn.Module):
    """A kernel of an image net repeated along time."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        flat = torch.randn(channels, 3, 1, 3, 3) / 27**0.5
        self.conv = nn.Conv3d(3, channels, 3, padding=1)
        self.conv.weight = nn.Parameter(flat.repeat(1, 1, 3, 1, 1) / 3)
        self.head = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).relu().mean((2, 3, 4)))


class Jittered(nn.Module):
    """One row, and noise of its own for every unit; every row drawn in a loop."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, width)
        self.fc2 = nn.Linear(width, width)
        self.head = nn.Linear(width, 10)
        with torch.no_grad():
            self.fc1.weight.copy_(torch.randn(64) / 16)
            self.fc1.weight.add_(torch.randn(width, 64) / 8)
            for unit in range(width):
                self.fc2.weight[unit] = torch.randn(width) / 16

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc2(self.fc1(x).relu()).relu())
