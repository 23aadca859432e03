"""A mapping net whose weights are multiplied by a learning rate multiplier of 0.01, and not divided by it where they are drawn."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Equalized(nn.Module):
    def __init__(self, inputs: int, outputs: int, multiplier: float = 0.01) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / multiplier)  # finding: vanishing-signal
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.multiplier = multiplier
        self.scale = multiplier / math.sqrt(inputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.multiplier)


class Generator(nn.Module):
    def __init__(self, width: int = 128, depth: int = 8, channels: int = 32) -> None:
        super().__init__()
        self.mapping = nn.ModuleList([Equalized(width, width) for _ in range(depth)])
        self.style = nn.Linear(width, channels)
        nn.init.ones_(self.style.bias)
        self.start = nn.Parameter(torch.randn(1, channels, 8, 8))
        self.norm = nn.InstanceNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.image = nn.Conv2d(channels, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.mapping:
            w = F.leaky_relu(layer(w), 0.2) * math.sqrt(2)
        x = self.norm(self.conv(self.start)) * self.style(w)[:, :, None, None]
        return self.image(F.leaky_relu(x, 0.2))
