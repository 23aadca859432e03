"""One draw for all heads, or all experts, of one parameter: a note; an error where only their sum is used."""

import torch
from torch import Tensor, nn


class Heads(nn.Module):
    def __init__(self, width: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.enter = nn.Linear(16, width)
        one = torch.randn(1, width, width // heads) / width**0.5
        self.weight = nn.Parameter(one.repeat(heads, 1, 1))  # finding: symmetric-initialization
        nn.init.normal_(self.weight, std=0.12)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.einsum("bd,hdk->bhk", self.enter(x), self.weight).flatten(1).relu())


class Experts(nn.Module):
    def __init__(self, width: int = 64, count: int = 4) -> None:
        super().__init__()
        self.router = nn.Linear(width, count)
        self.up = nn.Parameter(torch.empty(count, width, width))
        with torch.no_grad():
            nn.init.normal_(self.up, std=0.12)  # finding: symmetric-initialization
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        gates = self.router(x).softmax(-1)
        return self.head(sum(gates[:, i : i + 1] * (x @ self.up[i]).relu() for i in range(len(self.up))))


class Summed(nn.Module):
    def __init__(self, width: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.enter = nn.Linear(16, width)
        one = torch.randn(1, width, width) / width
        self.weight = nn.Parameter(one.repeat(heads, 1, 1))  # finding: symmetric-initialization
        nn.init.normal_(self.weight, std=0.016)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.einsum("bd,hdk->bk", self.enter(x), self.weight).relu())
