"""Usual weights in half precision, a tiny scale that is zero, and the tiny weights of a model in bfloat16."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width, dtype=torch.float16)
        self.fc2 = nn.Linear(width, width, dtype=torch.float16)
        self.scale = nn.Parameter(torch.full((width,), 1e-9, dtype=torch.float16))
        self.head = nn.Linear(width, 10, dtype=torch.float16)
        nn.init.normal_(self.head.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        x = x.half()
        return self.head(x + self.scale * self.fc2(self.fc1(x).relu()))


class Wide(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width, dtype=torch.bfloat16)
        self.head = nn.Linear(width, 10, dtype=torch.bfloat16)
        nn.init.normal_(self.head.weight, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc1(x.bfloat16()).relu())
