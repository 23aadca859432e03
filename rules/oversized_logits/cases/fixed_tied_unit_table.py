"""A table drawn from N(0, 1), PyTorch's default, that is also the output projection."""

import torch
from torch import Tensor, nn


class LanguageModel(nn.Module):
    def __init__(self, vocabulary: int = 2000, width: int = 256, heads: int = 4, depth: int = 2) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.table.weight, std=0.02)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, batch_first=True, norm_first=True) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.table.weight  # finding: oversized-logits

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.table(tokens)
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.size(1))
        for block in self.blocks:
            x = block(x, src_mask=mask)
        return torch.log_softmax(self.head(self.norm(x)), dim=-1)
