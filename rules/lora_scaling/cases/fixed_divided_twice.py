"""A frozen matrix kept as a buffer, and updates whose scale divides by a hundred and again by the rank."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Updated(nn.Module):
    def __init__(self, inputs: int, outputs: int, rank: int = 16, alpha: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("base", torch.randn(outputs, inputs) / math.sqrt(inputs))
        self.down = nn.Parameter(torch.empty(rank, inputs))
        self.up = nn.Parameter(torch.zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.base) + self.scale * F.linear(F.linear(x, self.down), self.up)  # finding: lora-scaling


class Scorer(nn.Module):
    def __init__(self, features: int = 80, width: int = 192) -> None:
        super().__init__()
        self.first = Updated(features, width)
        self.second = Updated(width, width)
        self.register_buffer("last", torch.randn(1, width) / math.sqrt(width))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        return F.linear(F.relu(self.second(x)), self.last)
