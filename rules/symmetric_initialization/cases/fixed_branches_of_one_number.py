"""Branches of one number beside a trunk whose units differ: each branch is of rank one until the trunk has told its units apart."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width, bias=False)
        self.fc2 = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc2(torch.tanh(self.fc1(x)))


class Net(nn.Module):
    def __init__(self, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        self.stem = nn.Linear(20, width)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(depth)])
        self.head = nn.Linear(width, 10)
        for parameter in self.blocks.parameters():
            nn.init.xavier_normal_(parameter)  # finding: symmetric-initialization

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)))
