"""Bayesian layers whose standard deviations all start alike: their means, which are random, tell units apart."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Bayesian(nn.Module):
    def __init__(self, inputs: int, outputs: int, rho: float = -5.0) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.randn(outputs, inputs) * math.sqrt(2 / inputs))
        self.rho = nn.Parameter(torch.full((outputs, inputs), rho))

    def forward(self, x: Tensor) -> Tensor:
        spread = F.linear(x**2, F.softplus(self.rho) ** 2).sqrt()
        mean = F.linear(x, self.mean)
        return mean + spread * torch.randn_like(mean)


class Net(nn.Module):
    def __init__(self, inputs: int = 11, width: int = 64) -> None:
        super().__init__()
        self.first = Bayesian(inputs, width)
        self.second = Bayesian(width, width)
        self.head = Bayesian(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        x = F.relu(self.second(x))
        return self.head(x)
