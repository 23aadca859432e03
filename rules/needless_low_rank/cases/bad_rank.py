"""Rank 48 for a matrix of 64 by 64, of which 32 would be as large as the matrix; and a rank above the width: notes."""

import math

import torch
from torch import Tensor, nn


class LoRALinear(nn.Module):
    def __init__(self, base: nn.Linear, rank: int, alpha: float = 16.0) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.lora_A = nn.Parameter(torch.empty(rank, base.in_features))  # finding: needless-low-rank
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        self.scaling = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + (x @ self.lora_A.T @ self.lora_B.T) * self.scaling


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc = LoRALinear(nn.Linear(width, width), rank=48)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc(x).relu())


class Adapted(nn.Module):
    def __init__(self, fan_in: int, fan_out: int, rank: int = 64, alpha: float = 16.0) -> None:
        super().__init__()
        self.base = nn.Linear(fan_in, fan_out).requires_grad_(False)
        self.down = nn.Linear(fan_in, rank, bias=False)  # finding: needless-low-rank
        self.up = nn.Linear(rank, fan_out, bias=False)
        nn.init.normal_(self.down.weight, std=fan_in**-0.5)
        nn.init.zeros_(self.up.weight)
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.up(self.down(x)) * self.scale


class Tower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.ModuleList([Adapted(64, 64), Adapted(64, 16)])
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.tower:
            x = layer(x).relu()
        return self.head(x)
