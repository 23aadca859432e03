"""Forty layers, each of which lets the signal grow a little: 1.3 times He's deviation."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 128, depth: int = 40) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=1.3 * (2 / width) ** 0.5)  # finding: exploding-signal
            nn.init.zeros_(layer.bias)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).relu()
        return self.head(x)
