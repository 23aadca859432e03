"""A home-made layer whose weights are torch.rand over its number of inputs, twenty of them with an RMS norm each."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Dense(nn.Module):
    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(units, inputs) * 2 / inputs)  # finding: lopsided-weight
        self.bias = nn.Parameter(torch.zeros(units))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Regressor(nn.Module):
    def __init__(self, inputs: int = 24, width: int = 128, depth: int = 20) -> None:
        super().__init__()
        self.first = Dense(inputs, width)
        self.layers = nn.ModuleList([Dense(width, width) for _ in range(depth)])
        self.norms = nn.ModuleList([nn.RMSNorm(width) for _ in range(depth)])
        self.last = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.first(x))
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = F.silu(layer(norm(x)))
        return self.last(x)
