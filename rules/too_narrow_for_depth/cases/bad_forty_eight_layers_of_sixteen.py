"""Forty-eight layers of sixteen units, each with its norm, and nothing that leads past them."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, features: int = 20, width: int = 16, depth: int = 48, classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Linear(features, width)]
        for _ in range(depth):
            layer = nn.Linear(width, width)  # finding: too-narrow-for-depth
            nn.init.xavier_normal_(layer.weight, gain=0.8)
            layers += [nn.LayerNorm(width), nn.Tanh(), layer]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))
