"""The larger of two linear maps, as torch starts them."""

import torch
from torch import Tensor, nn


class Larger(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.a = nn.Linear(width, width)  # finding: mismatched-maxout-gain
        self.b = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(self.a(x), self.b(x))


class Net(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.enter = nn.Linear(64, width)
        self.layers = nn.Sequential(*[Larger(width) for _ in range(3)])
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.enter(x)))
