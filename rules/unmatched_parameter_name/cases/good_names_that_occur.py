"""Tests that some names pass; and one on the short names of a part."""

import math

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)
        for name, parameter in self.named_parameters():
            if name == "c_proj.weight":
                nn.init.normal_(parameter, std=0.02 / math.sqrt(depth))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.c_proj(torch.relu(self.c_fc(self.norm(x))))


class Net(nn.Module):
    def __init__(self, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*[Block(width, depth) for _ in range(depth)])
        self.head = nn.Linear(width, 10)
        for name, parameter in self.named_parameters():
            if name.endswith("c_fc.weight"):
                nn.init.normal_(parameter, std=0.1)
            if "head" in name and parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x))
