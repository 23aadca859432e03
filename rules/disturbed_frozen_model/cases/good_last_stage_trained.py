"""Of a pretrained residual net the last blocks but one are trained on: they are its own blocks, and no new branch."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.narrow, self.wide = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.wide(torch.relu(self.narrow(self.norm(x))))


class Partly(nn.Module):
    def __init__(self, width: int = 64, depth: int = 6) -> None:
        super().__init__()
        self.stem = nn.Linear(16, width)
        self.blocks = nn.ModuleList(Block(width, width // 4) for _ in range(depth))
        self.head = nn.Linear(width, 10)
        self.requires_grad_(False)
        for block in self.blocks[4:]:
            block.requires_grad_(True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)
