"""The experts of every layer copied from one of their own: a note that names each with its sibling."""

import copy

from torch import Tensor, nn


class Expert(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.up(x).relu())


class Experts(nn.Module):
    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.router = nn.Linear(width, count)
        self.experts = nn.ModuleList([Expert(width) for _ in range(count)])  # finding: symmetric-initialization

    def forward(self, x: Tensor) -> Tensor:
        gates = self.router(x).softmax(-1)
        return x + sum(gates[..., i : i + 1] * expert(x) for i, expert in enumerate(self.experts))


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(Experts(width, 4), Experts(width, 4))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x))
