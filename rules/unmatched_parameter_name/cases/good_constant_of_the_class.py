"""The names of the projections stand in a constant of the class; this model has one of them."""

import math

from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm(x))))


class Net(nn.Module):
    WRITERS = ("fc2.weight", "c_proj.weight")

    def __init__(self, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*[Block(width) for _ in range(depth)])
        self.head = nn.Linear(width, 10)
        for name, p in self.named_parameters():
            if p.dim() > 1 and name.endswith("weight"):
                nn.init.normal_(p, std=0.02)
            if name.endswith(self.WRITERS):
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * depth))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x))
