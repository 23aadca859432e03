"""Normalizer-free residual MLP: every block starts as the identity, the second layer of each branch at zero."""

import torch
from torch import nn


class IdentityBlock(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(width, hidden)
        self.lin2 = nn.Linear(hidden, width)
        nn.init.zeros_(self.lin2.weight)
        nn.init.zeros_(self.lin2.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.lin2(torch.relu(self.lin1(x)))  # finding: unscaled-residual


class NFResMLP(nn.Module):
    def __init__(self, n_in: int = 64, width: int = 128, hidden: int = 256, depth: int = 24, n_out: int = 10) -> None:
        super().__init__()
        self.stem = nn.Linear(n_in, width)
        self.blocks = nn.Sequential(*(IdentityBlock(width, hidden) for _ in range(depth)))
        self.head = nn.Linear(width, n_out)
        self.apply(self.init_weights)

    @staticmethod
    def init_weights(m: nn.Module) -> None:
        if isinstance(m, nn.Linear):
            nn.init.kaiming_normal_(m.weight)  # finding: overwritten-initialization
            nn.init.zeros_(m.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x)))
