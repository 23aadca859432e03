"""The same attention with residual connections keeps its tokens apart."""

from torch import Tensor, nn


class Encoder(nn.Module):
    def __init__(self, vocabulary: int = 1000, width: int = 64, depth: int = 6) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(nn.MultiheadAttention(width, 4, batch_first=True) for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for layer, norm in zip(self.layers, self.norms):
            h = norm(x)
            x = x + layer(h, h, h, need_weights=False)[0]
        return self.head(x)
