"""DoRA whose magnitude is the norm of the base's rows, or of its columns; and a scale of ones on top of an adapted weight."""

import math

import torch
from torch import Tensor, nn


class DoRALinear(nn.Module):
    def __init__(self, base: nn.Linear, dim: int, rank: int = 8, alpha: float = 16.0) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.dim = dim
        self.a = nn.Parameter(torch.empty(rank, base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))
        self.magnitude = nn.Parameter(base.weight.detach().norm(dim=dim, keepdim=True))
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        weight = self.base.weight + self.scale * self.b @ self.a
        weight = (self.magnitude / weight.norm(dim=self.dim, keepdim=True).detach()) * weight
        return nn.functional.linear(x, weight, self.base.bias)


class Scaled(nn.Module):
    def __init__(self, base: nn.Linear, rank: int = 8) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.a = nn.Parameter(torch.empty(rank, base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))
        self.gain = nn.Parameter(torch.ones(base.out_features, 1))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.gain * (self.base.weight + self.b @ self.a), self.base.bias)


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc1 = DoRALinear(nn.Linear(width, width), dim=1)
        self.fc2 = DoRALinear(nn.Linear(width, width), dim=0)
        self.fc3 = Scaled(nn.Linear(width, width))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc3(self.fc2(self.fc1(x).relu()).relu()).relu())
