"""A gate whose weights are ten times too large is either open or shut, and does not learn."""

import torch
from torch import Tensor, nn


class Gated(nn.Module):
    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.value = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)
        nn.init.xavier_normal_(self.gate.weight)  # finding: saturated-activation
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.value(x) * torch.sigmoid(self.gate(x)))
