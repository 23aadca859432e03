"""The whole branch one einsum; A with entries of one."""

import math

import torch
from torch import Tensor, nn


class LowRank(nn.Module):
    def __init__(self, inner: nn.Linear, rank: int = 16, alpha: float = 64.0) -> None:
        super().__init__()
        self.inner = inner.requires_grad_(False)
        self.scale = alpha / rank
        self.down = nn.Parameter(torch.randn(rank, inner.in_features))  # finding: lora-scaling
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        self.up = nn.Parameter(torch.zeros(inner.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + self.scale * torch.einsum("...i,ri,or->...o", x, self.down, self.up)


class Net(nn.Module):
    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.first = LowRank(nn.Linear(width, width))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.first(x).relu())
