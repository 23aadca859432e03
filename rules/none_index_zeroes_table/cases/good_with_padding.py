"""The same helper with a padding row, and a bias table that is zero on purpose."""

import torch
from torch import Tensor, nn


def embedding(count: int, width: int, padding_idx: int | None = None) -> nn.Embedding:
    table = nn.Embedding(count, width, padding_idx=padding_idx)
    nn.init.normal_(table.weight, mean=0, std=width**-0.5)
    nn.init.constant_(table.weight[padding_idx], 0)
    return table


class Net(nn.Module):
    def __init__(self, vocabulary: int = 200, width: int = 32) -> None:
        super().__init__()
        self.tokens = embedding(vocabulary, width, padding_idx=0)
        self.places = nn.Embedding(64, width)
        nn.init.zeros_(self.places.weight)
        self.head = nn.Linear(width, 4)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.places(torch.arange(ids.shape[1]))
        return self.head(x.mean(1))
