"""Factors of a frozen model at one, or at one plus zero; a gate at zero, which keeps a branch of frozen layers out; and a trained
model with a factor at zero."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)
        self.tune_hidden = nn.Parameter(torch.ones(4 * width))
        self.tune_more = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return x + (1 + self.tune_more) * self.fc2(self.tune_hidden * self.fc1(x).relu())


class Tuned(nn.Module):
    def __init__(self, width: int = 64, depth: int = 3) -> None:
        super().__init__()
        self.enter = nn.Linear(16, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(depth)])
        self.other = nn.Linear(width, width)
        self.tune_gate = nn.Parameter(torch.zeros(width))
        self.last = nn.Linear(width, width)
        self.tune_head = nn.Linear(width, 5)
        for name, p in self.named_parameters():
            p.requires_grad_("tune" in name)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for block in self.blocks:
            x = block(x)
        x = x + self.tune_gate * self.other(x)
        return self.tune_head(self.last(x))


class Trained(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.enter = nn.Linear(16, width)
        self.scale = nn.Parameter(torch.zeros(width))
        self.fc = nn.Linear(width, width)
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        return self.head(x + self.fc(self.scale * x.relu()))
