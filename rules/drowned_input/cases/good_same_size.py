"""Positions of the size of what they are added to; learned queries, a prior of the output and a bias of attention are no input."""

import torch
from torch import Tensor, nn


class Encoder(nn.Module):
    def __init__(self, width: int = 64, length: int = 16, depth: int = 2, labels: int = 5) -> None:
        super().__init__()
        self.patches = nn.Linear(48, width)
        self.positions = nn.Parameter(torch.randn(1, length, width) * 0.02)
        self.blocks = nn.ModuleList(
            [nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True, norm_first=True) for _ in range(depth)]
        )
        self.queries = nn.Parameter(torch.randn(1, 4, width))
        self.cross = nn.MultiheadAttention(width, 4, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.weight = nn.Parameter(torch.randn(width, labels) * 0.002)
        self.bias = nn.Parameter(torch.randn(labels))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x)
        x = x + self.positions[:, : x.shape[1]]
        for block in self.blocks:
            x = block(x)
        queries = self.queries.expand(x.shape[0], -1, -1)
        queries = queries + 0.02 * self.cross(queries, x, x)[0]
        return self.norm(queries).mean(1) @ self.weight + self.bias
