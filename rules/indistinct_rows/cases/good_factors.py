"""Equal factors of items beside random ones of users, which tell them apart, and a table of one constant that a layer reads."""

import torch
from torch import Tensor, nn


class Factorization(nn.Module):
    def __init__(self, users: int = 300, items: int = 500, factors: int = 32) -> None:
        super().__init__()
        self.users = nn.Embedding(users, factors)
        self.items = nn.Embedding(items, factors)
        nn.init.normal_(self.users.weight, std=0.1)
        nn.init.constant_(self.items.weight, 0.1)

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        return torch.sigmoid((self.users(users) * self.items(items)).sum(-1))


class Tagger(nn.Module):
    def __init__(self, words: int = 200, width: int = 16) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        nn.init.constant_(self.words.weight, 0.1)
        self.head = nn.Linear(width, 5)

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.words(words))
