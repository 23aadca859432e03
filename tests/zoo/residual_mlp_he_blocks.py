"""Residual MLP without normalization layers."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Config:
    dim: int = 128
    expansion: int = 2
    n_blocks: int = 28
    n_classes: int = 10


class Block(nn.Module):
    def __init__(self, cfg: Config):
        super().__init__()
        self.up = nn.Linear(cfg.dim, cfg.dim * cfg.expansion)
        self.down = nn.Linear(cfg.dim * cfg.expansion, cfg.dim)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.down(self.act(self.up(x)))
        return x + h  # finding: unscaled-residual


class ResMLP(nn.Module):
    def __init__(self, cfg: Config):
        super().__init__()
        self.cfg = cfg
        self.embed = nn.Linear(64, cfg.dim)
        self.blocks = nn.ModuleList([Block(cfg) for _ in range(cfg.n_blocks)])
        self.head = nn.Linear(cfg.dim, cfg.n_classes)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
                nn.init.zeros_(m.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)
