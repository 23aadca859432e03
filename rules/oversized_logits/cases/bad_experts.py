"""A language model with experts of unit weights: the head is as it should be, what it reads is not."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Experts(nn.Module):
    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.router = nn.Linear(width, count, bias=False)
        self.up = nn.Parameter(torch.randn(count, width, 8 * width))
        self.down = nn.Parameter(torch.randn(count, 8 * width, width))  # finding: oversized-logits

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.gelu(torch.einsum("btd,edf->btef", x, self.up))
        heard = torch.einsum("btef,efd->bted", hidden, self.down)
        return (self.router(x).softmax(-1).unsqueeze(-1) * heard).sum(2)


class Net(nn.Module):
    def __init__(self, words: int = 400, width: int = 128) -> None:
        super().__init__()
        self.table = nn.Embedding(words, width)
        self.norm = nn.LayerNorm(width)
        self.experts = Experts(width, 4)
        self.head = nn.Linear(width, words)

    def forward(self, words: Tensor) -> Tensor:
        x = self.table(words)
        return self.head(x + self.experts(self.norm(x)))
