"""Copies that are read differently: a note, as they drift apart."""

import copy

from torch import Tensor, nn


class Experts(nn.Module):
    """A gate gives each its own weight."""

    def __init__(self, width: int = 64, count: int = 4) -> None:
        super().__init__()
        self.gate = nn.Linear(16, count)
        expert = nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, 10))
        self.experts = nn.ModuleList([copy.deepcopy(expert) for _ in range(count)])  # finding: symmetric-initialization

    def forward(self, x: Tensor) -> Tensor:
        gates = self.gate(x).softmax(-1)
        return sum(gates[:, i : i + 1] * expert(x) for i, expert in enumerate(self.experts))


class Masked(nn.Module):
    """Each drops units of its own."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Dropout(0.5), nn.Linear(width, 10))
        self.second = copy.deepcopy(self.first)  # finding: symmetric-initialization

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) + self.second(x)


class Heads(nn.Module):
    """Two layers with targets of their own."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.enter = nn.Linear(16, width)
        self.start = nn.Linear(width, 1)
        self.end = copy.deepcopy(self.start)  # finding: symmetric-initialization

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.enter(x).relu()
        return self.start(x), self.end(x)


class Difference(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.plus = nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, 10))
        self.minus = copy.deepcopy(self.plus)  # finding: symmetric-initialization

    def forward(self, x: Tensor) -> Tensor:
        return self.plus(x) - self.minus(x)
