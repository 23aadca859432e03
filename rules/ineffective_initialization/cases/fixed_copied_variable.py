"""A copy that a variable holds."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 100) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, 3)
        weight = self.hidden.weight.data
        nn.init.orthogonal_(weight)  # finding: ineffective-initialization

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.hidden(x)))
