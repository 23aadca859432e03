"""torch.empty and nothing after it."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, width))
        self.scale = nn.Parameter(torch.ones(width))  # finding: uninitialized-parameter
        self.head = nn.Linear(width, 10)
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((x @ self.weight) * self.scale)
