"""A surrogate of a simulator: GELU layers behind an RMS norm written by hand, thirty of them with twenty units."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


class Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)  # finding: too-narrow-for-depth
        self.scale = Scale(width)
        nn.init.kaiming_normal_(self.linear.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.scale(self.linear(x))
        x = F.gelu(x)
        return x


class Surrogate(nn.Module):
    def __init__(self, inputs: int = 6, outputs: int = 3, width: int = 20, depth: int = 30) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.layers = nn.ModuleList([Layer(width) for _ in range(depth)])
        self.last = nn.Linear(width, outputs)

    def forward(self, parameters: Tensor) -> Tensor:
        x = self.first(parameters)
        for layer in self.layers:
            x = layer(x)
        return self.last(x)
