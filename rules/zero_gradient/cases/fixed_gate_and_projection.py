"""A zero gate on a zero projection: each waits for the other."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.proj = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.proj.weight)
        self.gate = nn.Parameter(torch.ones(1))  # finding: zero-gradient

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gate * self.proj(self.fc(x).relu())


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.block = Block(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(x))
