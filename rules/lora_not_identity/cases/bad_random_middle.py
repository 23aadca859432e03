"""A diagonal between the factors, as in AdaLoRA, that is random instead of zero."""

import torch
from torch import Tensor, nn


class SVDLinear(nn.Module):
    def __init__(self, base: nn.Linear, rank: int = 8, alpha: float = 16.0) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.lora_A = nn.Parameter(torch.randn(rank, base.in_features) * 0.08)
        self.lora_E = nn.Parameter(torch.randn(rank, 1))  # finding: lora-not-identity
        self.lora_B = nn.Parameter(torch.randn(base.out_features, rank) * 0.08)
        self.scaling = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + (x @ (self.lora_A * self.lora_E).T @ self.lora_B.T) * self.scaling


class Net(nn.Module):
    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.fc = SVDLinear(nn.Linear(width, width))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc(x).relu())
