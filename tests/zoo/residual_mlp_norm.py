"""Residual MLP for tabular data (pre-normalization), as in "Revisiting deep learning models for tabular data"."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass
class TabularConfig:
    n_features: int = 64
    d_main: int = 192
    d_hidden: int = 384
    n_blocks: int = 12
    dropout_first: float = 0.2
    dropout_second: float = 0.0
    d_out: int = 10
    feature_names: list = field(default_factory=list)


class ResidualBlock(nn.Module):
    def __init__(self, cfg: TabularConfig) -> None:
        super().__init__()
        self.normalization = nn.BatchNorm1d(cfg.d_main)
        self.linear_first = nn.Linear(cfg.d_main, cfg.d_hidden)
        self.dropout_first = nn.Dropout(cfg.dropout_first)
        self.linear_second = nn.Linear(cfg.d_hidden, cfg.d_main)
        self.dropout_second = nn.Dropout(cfg.dropout_second)

    def forward(self, x: Tensor) -> Tensor:
        z = self.normalization(x)
        z = self.dropout_first(torch.relu(self.linear_first(z)))
        z = self.dropout_second(self.linear_second(z))
        return x + z


class TabularResNet(nn.Module):
    def __init__(self, cfg: TabularConfig) -> None:
        super().__init__()
        self.first_layer = nn.Linear(cfg.n_features, cfg.d_main)
        self.blocks = nn.Sequential(*[ResidualBlock(cfg) for _ in range(cfg.n_blocks)])
        self.head = nn.Sequential(nn.BatchNorm1d(cfg.d_main), nn.ReLU(), nn.Linear(cfg.d_main, cfg.d_out))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.first_layer(x)))
