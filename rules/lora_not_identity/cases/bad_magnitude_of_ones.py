"""DoRA whose magnitude is one, and not the norm of the base's rows."""

import math

import torch
from torch import Tensor, nn


class DoRALinear(nn.Module):
    def __init__(self, base: nn.Linear, rank: int = 8, alpha: float = 16.0) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.a = nn.Parameter(torch.empty(rank, base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))
        self.magnitude = nn.Parameter(torch.ones(base.out_features, 1))  # finding: lora-not-identity
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        weight = self.base.weight + self.scale * self.b @ self.a
        weight = self.magnitude * weight / weight.norm(dim=1, keepdim=True)
        return nn.functional.linear(x, weight, self.base.bias)


class Net(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.fc = DoRALinear(nn.Linear(width, width))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc(x).relu())
