"""A weight that asks for a gradient and is no parameter."""

import torch
from torch import Tensor, nn


class Mix(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(width, width) * width**-0.5)  # finding: unregistered-weight

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.w


class Net(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.mix = Mix(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.mix(x).relu())
