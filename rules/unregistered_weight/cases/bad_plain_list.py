"""Layers appended to a list, and experts in a dictionary."""

from torch import Tensor, nn


class Tower(nn.Module):
    def __init__(self, width: int = 32, depth: int = 3) -> None:
        super().__init__()
        self.layers = []  # finding: unregistered-weight
        for _ in range(depth):
            self.layers.append(nn.Linear(width, width))
        self.heads = {"mean": nn.Linear(width, 1), "spread": nn.Linear(width, 1)}  # finding: unregistered-weight
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for layer in self.layers:
            x = layer(x).relu()
        x = self.norm(x)
        return self.heads["mean"](x), self.heads["spread"](x)
