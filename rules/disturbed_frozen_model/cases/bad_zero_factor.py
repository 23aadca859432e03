"""Vectors that rescale the keys, the values and the hidden units of a frozen encoder start at zero."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)
        self.tune_k = nn.Parameter(torch.zeros(width))  # finding: disturbed-frozen-model
        self.tune_v = nn.Parameter(torch.zeros(width))  # finding: disturbed-frozen-model
        self.tune_ff = nn.Parameter(torch.zeros(4 * width))  # finding: disturbed-frozen-model

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm1(x)
        q, k, v = self.query(h), self.tune_k * self.key(h), self.tune_v * self.value(h)
        y = F.scaled_dot_product_attention(self.split(q), self.split(k), self.split(v))
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.fc2(self.tune_ff * F.gelu(self.fc1(self.norm2(x))))


class Net(nn.Module):
    def __init__(self, width: int = 64, depth: int = 3) -> None:
        super().__init__()
        self.embed = nn.Embedding(500, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(depth)])
        self.head = nn.Linear(width, 5)
        for name, p in self.named_parameters():
            p.requires_grad_("tune" in name or "head" in name)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))
