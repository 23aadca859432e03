"""A draw for each head and each expert."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64, count: int = 4) -> None:
        super().__init__()
        self.enter = nn.Linear(16, width)
        self.heads = nn.Parameter(torch.randn(count, width, width // count) / width**0.5)
        self.experts = nn.Parameter(torch.empty(count, width, width))
        with torch.no_grad():
            for expert in self.experts:
                expert.copy_(torch.empty(width, width).normal_(std=width**-0.5))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.einsum("bd,hdk->bhk", self.enter(x), self.heads).flatten(1).relu()
        return self.head(sum((x @ expert).relu() for expert in self.experts.unbind()) / 4)
