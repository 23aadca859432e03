"""Generated weights with the variance that their own layers need: divided by the inputs of both."""

import math

from torch import Tensor, nn


class Generated(nn.Module):
    def __init__(self, task: int = 10, seen: int = 8, width: int = 64, depth: int = 5) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(task, 32), nn.GELU(), nn.LayerNorm(32))
        self.shapes = [(width, seen if n == 0 else width) for n in range(depth)]
        self.makers = nn.ModuleList([nn.Linear(32, rows * columns) for rows, columns in self.shapes])
        self.head = nn.Linear(width, 1)
        for maker, (_, columns) in zip(self.makers, self.shapes, strict=True):
            nn.init.normal_(maker.weight, std=math.sqrt(2 / (columns * 32)))
            nn.init.zeros_(maker.bias)

    def forward(self, task: Tensor, x: Tensor) -> Tensor:
        """task: (10,); x: (n, 8)."""
        code = self.embed(task)
        for maker, shape in zip(self.makers, self.shapes, strict=True):
            x = nn.functional.linear(x, maker(code).view(shape)).relu()
        return self.head(x)
