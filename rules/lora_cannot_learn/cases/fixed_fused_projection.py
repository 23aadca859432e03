"""Factors of their own for q and v of one projection, all of them zero: joined by a cut and a cat, or written into slices."""

import math

import torch
from torch import Tensor, nn


class Cut(nn.Module):
    def __init__(self, width: int, rank: int = 4) -> None:
        super().__init__()
        self.width = width
        self.qkv = nn.Linear(width, 3 * width).requires_grad_(False)
        self.a_q = nn.Linear(width, rank, bias=False)
        self.b_q = nn.Linear(rank, width, bias=False)
        self.a_v = nn.Linear(width, rank, bias=False)
        self.b_v = nn.Linear(rank, width, bias=False)
        for layer in (self.a_q, self.b_q, self.a_v, self.b_v):
            nn.init.zeros_(layer.weight)  # finding: lora-cannot-learn
        nn.init.kaiming_uniform_(self.a_q.weight, a=math.sqrt(5))
        nn.init.kaiming_uniform_(self.a_v.weight, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).split(self.width, dim=-1)
        return torch.cat([q + self.b_q(self.a_q(x)), k, v + self.b_v(self.a_v(x))], dim=-1)


class Written(nn.Module):
    def __init__(self, width: int, rank: int = 4) -> None:
        super().__init__()
        self.width = width
        self.qkv = nn.Linear(width, 3 * width).requires_grad_(False)
        self.a_q = nn.Linear(width, rank, bias=False)
        self.b_q = nn.Linear(rank, width, bias=False)
        nn.init.kaiming_uniform_(self.a_q.weight, a=math.sqrt(5))  # finding: lora-cannot-learn
        nn.init.zeros_(self.b_q.weight)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x)
        qkv[..., : self.width] += self.b_q(self.a_q(x))
        return qkv


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.first = Cut(width)
        self.second = Written(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.first, self.second):
            q, k, v = layer(x).chunk(3, dim=-1)
            x = x + nn.functional.scaled_dot_product_attention(q, k, v)
        return self.head(x)
