"""Heads of four horizons that are one head: a function makes it once, and the list is multiplied."""

import torch
from torch import Tensor, nn


def make_head(width: int, quantiles: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, quantiles))


class Forecaster(nn.Module):
    def __init__(self, features: int = 12, width: int = 96, horizons: int = 4) -> None:
        super().__init__()
        self.encoder = nn.GRU(features, width, batch_first=True)
        self.heads = nn.ModuleList([make_head(width) for _ in range(horizons)])  # finding: repeated-module

    def forward(self, series: Tensor) -> Tensor:
        """series: (batch, 48, 12)"""
        last = self.encoder(series)[0][:, -1]
        return torch.stack([head(last) for head in self.heads], dim=1)
