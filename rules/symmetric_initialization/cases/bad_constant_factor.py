"""The first factor of an adapter is filled with one number: all of its rows are alike and stay so."""

import torch
from torch import Tensor, nn


class LoRALinear(nn.Module):
    def __init__(self, base: nn.Linear, rank: int = 8, alpha: float = 16.0) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.lora_A = nn.Parameter(torch.empty(rank, base.in_features))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.constant_(self.lora_A, 0.02)  # finding: symmetric-initialization
        self.scaling = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + (x @ self.lora_A.T @ self.lora_B.T) * self.scaling


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc1 = LoRALinear(nn.Linear(32, width))
        self.fc2 = LoRALinear(nn.Linear(width, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).relu())
