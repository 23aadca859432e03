"""A stack of matrices and a transposed one, both drawn as if they were (outputs, inputs)."""

import math

import torch
from torch import Tensor, nn


class Experts(nn.Module):
    def __init__(self, width: int = 64, hidden: int = 1024, experts: int = 4) -> None:
        super().__init__()
        self.up = nn.Parameter(torch.empty(experts, width, hidden))
        self.down = nn.Parameter(torch.empty(hidden, width))
        nn.init.normal_(self.up, std=math.sqrt(2 / self.up.shape[1]))  # finding: mismatched-fan
        nn.init.kaiming_normal_(self.down, mode="fan_out")  # finding: mismatched-fan

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.einsum("bd,edh->beh", x, self.up).relu().mean(1)
        return hidden @ self.down
