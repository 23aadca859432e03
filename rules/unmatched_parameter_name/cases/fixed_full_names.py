"""The depth-scaled start of the projections is looked for under the short name, and another under a name that nothing has."""

import math

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.c_proj(torch.relu(self.c_fc(self.norm(x))))


class Net(nn.Module):
    def __init__(self, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*[Block(width) for _ in range(depth)])
        self.head = nn.Linear(width, 10)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):  # finding: unmatched-parameter-name
                nn.init.normal_(parameter, std=0.02 / math.sqrt(depth))
            elif name.endswith("w2.weight"):  # finding: unmatched-parameter-name
                nn.init.normal_(parameter, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x))
