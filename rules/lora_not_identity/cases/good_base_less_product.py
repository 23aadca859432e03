"""A frozen base that had the product of the random factors taken off: the sum is what it was."""

import torch
from torch import Tensor, nn


class DeltaLinear(nn.Module):
    def __init__(self, width: int, rank: int = 4, scale: float = 2.0) -> None:
        super().__init__()
        weight = torch.randn(width, width) / width**0.5
        self.down = nn.Parameter(torch.randn(rank, width) / width**0.5)
        self.up = nn.Parameter(0.25 * torch.randn(width, rank) / rank**0.5)
        self.scale = scale
        self.register_buffer("base", weight - scale * (self.up @ self.down).detach())

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.base.t() + self.scale * (x @ self.down.t()) @ self.up.t()


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(DeltaLinear(width), nn.Tanh(), DeltaLinear(width))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x))
