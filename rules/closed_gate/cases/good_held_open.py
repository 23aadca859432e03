"""Gates of data that start nearly closed, and nearly open."""

import torch
from torch import Tensor, nn


class Gated(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.filter = nn.Conv1d(width, width, 3, padding=2)
        self.gate = nn.Conv1d(width, width, 3, padding=2)
        nn.init.constant_(self.gate.bias, -4.0)

    def forward(self, x: Tensor) -> Tensor:
        steps = x.shape[-1]
        return x + torch.tanh(self.filter(x)[..., :steps]) * torch.sigmoid(self.gate(x)[..., :steps])


class Carried(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.change = nn.Conv1d(width, width, 1)
        self.carry = nn.Conv1d(width, width, 1)
        nn.init.constant_(self.carry.bias, 9.0)

    def forward(self, x: Tensor) -> Tensor:
        kept = torch.sigmoid(self.carry(x))
        return kept * x + (1 - kept) * torch.tanh(self.change(x))


class Net(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Gated(width), Carried(width))
        self.head = nn.Conv1d(width, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x))
