"""An output layer whose deviation was meant to be one over the root of the width, and is the root."""

import torch
from torch import Tensor, nn


class LanguageModel(nn.Module):
    def __init__(self, vocabulary: int = 2000, width: int = 256, heads: int = 4) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        self.block = nn.TransformerEncoderLayer(width, heads, 4 * width, batch_first=True, norm_first=True)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        nn.init.normal_(self.head.weight, std=width**0.5)  # finding: oversized-logits

    def forward(self, tokens: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.size(1))
        return torch.log_softmax(self.head(self.norm(self.block(self.table(tokens), src_mask=mask))), dim=-1)
