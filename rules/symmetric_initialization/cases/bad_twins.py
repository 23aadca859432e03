"""Copies that read what their originals read, and are read alike: they stay one."""

import copy

import torch
from torch import Tensor, nn


def value(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))


class Twins(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.first = value(width)
        self.second = copy.deepcopy(self.first)  # finding: symmetric-initialization

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.first(x), self.second(x)


class Least(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.first = value(width)
        self.second = copy.deepcopy(self.first)  # finding: symmetric-initialization

    def forward(self, x: Tensor) -> Tensor:
        return torch.minimum(self.first(x), self.second(x))


class Ensemble(nn.Module):
    def __init__(self, width: int = 64, count: int = 4) -> None:
        super().__init__()
        member = value(width)
        self.members = nn.ModuleList([copy.deepcopy(member) for _ in range(count)])  # finding: symmetric-initialization

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([member(x) for member in self.members]).mean(0)


class Summed(nn.Module):
    def __init__(self, width: int = 64, count: int = 3) -> None:
        super().__init__()
        member = value(width)
        self.members = nn.ModuleList(copy.deepcopy(member) for _ in range(count))  # finding: symmetric-initialization

    def forward(self, x: Tensor) -> Tensor:
        return sum(member(x) for member in self.members) / len(self.members)
