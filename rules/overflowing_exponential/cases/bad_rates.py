"""Rates of events as exponentials of a product with a matrix of standard normal numbers."""

import torch
from torch import Tensor, nn


class Counts(nn.Module):
    def __init__(self, seen: int = 40, width: int = 128, kinds: int = 16) -> None:
        super().__init__()
        self.hidden = nn.Linear(seen, width)
        nn.init.xavier_uniform_(self.hidden.weight)
        self.weights = nn.Parameter(torch.randn(width, kinds))  # finding: overflowing-exponential
        self.level = nn.Parameter(torch.zeros(kinds))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.hidden(x))
        return torch.exp(hidden @ self.weights + self.level)
