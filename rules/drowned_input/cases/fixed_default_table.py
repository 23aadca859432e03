"""A table of positions with PyTorch's N(0, 1) beside tokens of 0.02: by hand, one of the two was forgotten."""

import torch
from torch import Tensor, nn


class LanguageModel(nn.Module):
    def __init__(self, vocabulary: int = 500, width: int = 64, length: int = 64, depth: int = 2) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(length, width)  # finding: drowned-input
        nn.init.normal_(self.positions.weight, std=0.02)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.blocks = nn.ModuleList(
            [nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True, norm_first=True) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        mask = nn.Transformer.generate_square_subsequent_mask(ids.shape[1])
        for block in self.blocks:
            x = block(x, src_mask=mask)
        return self.head(self.norm(x))
