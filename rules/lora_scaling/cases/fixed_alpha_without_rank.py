"""The branch is scaled by alpha, not by alpha/rank, and A is drawn for the wrong width."""

import math

import torch
from torch import Tensor, nn


class LoRALinear(nn.Module):
    def __init__(self, base: nn.Linear, rank: int = 8, alpha: float = 16.0) -> None:
        super().__init__()
        self.base = base
        for parameter in self.base.parameters():
            parameter.requires_grad_(False)
        self.alpha = alpha
        self.a = nn.Parameter(torch.randn(base.in_features, rank) / math.sqrt(rank))  # finding: lora-scaling
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5), mode="fan_out")
        self.b = nn.Parameter(torch.zeros(rank, base.out_features))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.alpha * (x @ self.a @ self.b)


class Net(nn.Module):
    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.fc = LoRALinear(nn.Linear(width, width))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc(x).relu())
