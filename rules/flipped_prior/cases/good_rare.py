"""The same head with the sign that it needs; a size that starts at an offset is none of it."""

import math

import torch
from torch import Tensor, nn

SHARE = 0.01


class Points(nn.Module):
    def __init__(self, channels: int = 24, kinds: int = 6) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
        )  # fmt: skip
        self.points = nn.Conv2d(channels, kinds, 1)
        self.sizes = nn.Conv2d(channels, 2, 1)
        nn.init.constant_(self.points.bias, -math.log((1 - SHARE) / SHARE))
        nn.init.constant_(self.sizes.bias, 4.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # float[batch, 3, 32, 32]
        x = self.body(x)
        return torch.sigmoid(self.points(x)), self.sizes(x)
