"""LeCun's start by hand, with the first dimension of each weight: its outputs. Blocks that widen and narrow again show it."""

import math

from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


class Spectra(nn.Module):
    def __init__(self, bins: int = 40, width: int = 48, depth: int = 4, labels: int = 7) -> None:
        super().__init__()
        self.stem = nn.Linear(bins, width)
        self.blocks = nn.Sequential(*[Block(width, 4 * width) for _ in range(depth)])
        self.head = nn.Linear(width, labels)
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                fan_in = module.weight.size(0)
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # finding: miscounted-fan
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)))
