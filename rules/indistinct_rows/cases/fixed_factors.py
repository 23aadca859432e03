"""Factors of users and items that are one constant: every factor gets the gradient of every other, and 32 of them are one."""

import torch
from torch import Tensor, nn


class Factorization(nn.Module):
    def __init__(self, users: int = 300, items: int = 500, factors: int = 32) -> None:
        super().__init__()
        self.users = nn.Embedding(users, factors)
        self.items = nn.Embedding(items, factors)
        self.offsets = nn.Embedding(items, 1)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=0.1)  # finding: indistinct-rows
        nn.init.zeros_(self.offsets.weight)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        product = (self.users(users) * self.items(items)).sum(-1)
        return torch.sigmoid(product + self.offsets(items).squeeze(-1))
