"""Attention on attention, without residual connections: all tokens become their mean."""

from torch import Tensor, nn


class AttentionOnly(nn.Module):
    def __init__(self, vocabulary: int = 1000, width: int = 64, depth: int = 6) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        layers = []
        for _ in range(depth):
            layers.append(nn.MultiheadAttention(width, 4, batch_first=True))  # finding: rank-collapse
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for layer in self.layers:
            h = self.norm(x)
            x = x + layer(h, h, h, need_weights=False)[0]
        return self.head(self.norm(x))
