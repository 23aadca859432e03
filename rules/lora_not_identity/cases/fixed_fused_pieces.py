"""Adapters of the queries and values of a fused projection, zeros beside them for the keys, whose second factors are random."""

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int = 128, rank: int = 8) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.qkv.requires_grad_(False)
        self.down = nn.ModuleList([nn.Linear(width, rank, bias=False) for _ in range(2)])
        self.up = nn.ModuleList([nn.Linear(rank, width, bias=False) for _ in range(2)])
        for layer in self.up:
            nn.init.zeros_(layer.weight)  # finding: lora-not-identity
        self.scale = 2.0

    def forward(self, x: Tensor) -> Tensor:
        q, v = (up(down(x)) for down, up in zip(self.down, self.up, strict=True))
        return self.qkv(x) + self.scale * torch.cat([q, torch.zeros_like(q), v], -1)
