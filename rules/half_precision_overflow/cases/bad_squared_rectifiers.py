"""Squared rectifiers amplify what they are given until half precision cannot hold it, however much draws differ."""

from torch import Tensor, nn


class Squares(nn.Module):
    def __init__(self, width: int = 256, depth: int = 5) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # finding: half-precision-overflow
        self.head = nn.Linear(width, 10)
        self.half()

    def forward(self, x: Tensor) -> Tensor:
        x = x.half()
        for layer in self.layers:
            x = layer(x).relu().square()
        return self.head(x)
