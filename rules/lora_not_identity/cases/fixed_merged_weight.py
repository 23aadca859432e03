"""Both factors random, added to the weight."""

import math

import torch
from torch import Tensor, nn


class LoRALinear(nn.Module):
    def __init__(self, base: nn.Linear, rank: int = 8, alpha: float = 16.0) -> None:
        super().__init__()
        self.base = base
        for parameter in self.base.parameters():
            parameter.requires_grad_(False)
        self.scale = alpha / rank
        self.a = nn.Parameter(torch.empty(rank, base.in_features))
        self.b = nn.Parameter(torch.empty(base.out_features, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))
        nn.init.zeros_(self.b)  # finding: lora-not-identity

    def forward(self, x: Tensor) -> Tensor:
        weight = self.base.weight + (self.b @ self.a) * self.scale
        return nn.functional.linear(x, weight, self.base.bias)


class Net(nn.Module):
    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.fc = LoRALinear(nn.Linear(width, width))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc(x).relu())
