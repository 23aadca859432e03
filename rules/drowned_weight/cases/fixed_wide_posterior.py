"""A posterior over weights that starts wider than the weights, behind norms that hide how large its outputs become."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Drawn(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.middle = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)
        self.raw = nn.Parameter(torch.full((outputs, inputs), 1.0))  # finding: drowned-weight
        nn.init.constant_(self.raw, -5.0)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        spread = F.softplus(self.raw)
        return self.norm(F.linear(x, self.middle + spread * torch.randn_like(spread)))


class Net(nn.Module):
    def __init__(self, seen: int = 64, width: int = 128, classes: int = 10) -> None:
        super().__init__()
        self.first = Drawn(seen, width)
        self.second = Drawn(width, width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x).relu()).relu())
