"""What is to match a frozen net starts as its copy: the difference, and its slope, are zero."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def encoder(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, width), nn.LayerNorm(width))


class Surprise(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fixed = encoder(width)
        self.guess = encoder(width)  # finding: zero-gradient
        self.fixed.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return (self.guess(x) - self.fixed(x)).square().sum(-1)


class Loss(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fixed = encoder(width)
        self.guess = encoder(width)  # finding: zero-gradient
        for p in self.fixed.parameters():
            p.requires_grad = False

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            goal = self.fixed(x)
        return F.mse_loss(self.guess(x), goal)
