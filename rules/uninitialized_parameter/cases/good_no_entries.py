"""A parameter without entries has nothing to write."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 32, tokens: int = 0) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(tokens, width))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat([self.tokens, x]))
