"""The head is tied to the table of tokens, which then gets a parameter of its own."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, vocabulary: int = 100, width: int = 32) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        # small, as GPT-2 has it
        self.tokens.weight = nn.Parameter(0.02 * torch.randn(vocabulary, width))  # finding: broken-weight-tie
        self.head.weight = self.tokens.weight  # one matrix for both

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.norm(self.tokens(ids)))
