"""A transformer of a hundred layers that are normalized after every sum, as Vaswani et al. (2017) wrote six."""

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        for layer in (self.query, self.key, self.value, self.out, self.fc1, self.fc2):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="linear")
            nn.init.zeros_(layer.bias)
        for module in (self.fc1, self.fc2, self.value, self.out):
            nn.init.xavier_normal_(module.weight, gain=0.188)

    def attention(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.query, self.key, self.value))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm1(199**0.25 * x + self.attention(x))
        return self.norm2(199**0.25 * x + self.fc2(torch.relu(self.fc1(x))))


class Transformer(nn.Module):
    def __init__(self, features: int = 8, length: int = 8, width: int = 32, heads: int = 4, layers: int = 100, classes: int = 10):
        super().__init__()
        self.embed = nn.Linear(features, width)
        self.place = nn.Parameter(0.02 * torch.randn(length, width))
        self.layers = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x) + self.place
        for layer in self.layers:
            x = layer(x)
        return self.head(x.mean(1))
