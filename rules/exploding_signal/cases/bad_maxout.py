"""He's variance in front of maxima of four: each layer multiplies the signal by 1.4 for its weights, and by 1.25 for the maximum."""

from torch import Tensor, nn


class Maxout(nn.Module):
    def __init__(self, width: int = 128, depth: int = 16, pieces: int = 4) -> None:
        super().__init__()
        self.pieces = pieces
        self.layers = nn.ModuleList([nn.Linear(width, width * pieces) for _ in range(depth)])
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # finding: exploding-signal
            nn.init.zeros_(layer.bias)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).view(len(x), -1, self.pieces).max(-1).values
        return self.head(x)
