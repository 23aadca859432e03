"""Batch norm behind the function in sixty layers: the bias of the layer itself makes SiLU nearly linear."""

import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        nn.init.constant_(self.fc.bias, 2.0)
        self.norm = nn.BatchNorm1d(width)
        nn.init.kaiming_normal_(self.fc.weight, nonlinearity="relu")  # finding: exploding-gradient

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(F.silu(self.fc(x)))


class Net(nn.Module):
    def __init__(self, width: int = 32, depth: int = 60) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth)))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x))
