"""Twelve post-norm blocks with Xavier weights: a note."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, vocabulary: int = 200, width: int = 64, depth: int = 12) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList([nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True) for _ in range(depth)])
        self.head = nn.Linear(width, 10)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids)
        for layer in self.layers:
            x = layer(x)  # finding: deep-post-norm
        return self.head(x.mean(1))
