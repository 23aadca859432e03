"""Bounds around zero; one positive layer among others, which is a note; kernels that start as averages; positive weights in branches."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Symmetric(nn.Module):
    def __init__(self, features: int = 40, width: int = 96, depth: int = 8) -> None:
        super().__init__()
        self.first = nn.Linear(features, width)
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(width) for _ in range(depth)])
        for layer in self.layers:
            nn.init.uniform_(layer.weight, -0.25, 0.25)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return x


class Mixture(nn.Module):
    """Attention pooling whose scores start as positive sums."""

    def __init__(self, width: int = 64, heads: int = 8) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.rand(heads, width) / width)
        self.value = nn.Linear(width, width)
        self.head = nn.Linear(heads * width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, time, 64)"""
        weights = F.linear(x, self.scores).softmax(1)
        return self.head(torch.einsum("bth,btd->bhd", weights, self.value(x)).flatten(1))


class Smoothed(nn.Module):
    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.blur = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        nn.init.uniform_(self.blur.weight, 0.05, 0.17)
        self.head = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blur(F.relu(self.stem(x))).mean((2, 3)))
