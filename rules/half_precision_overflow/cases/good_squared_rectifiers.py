"""Squared rectifiers between normalizations, as in Primer: half precision holds them."""

from torch import Tensor, nn


class Squares(nn.Module):
    def __init__(self, width: int = 256, depth: int = 5) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width)) for _ in range(depth)])
        self.head = nn.Linear(width, 10)
        self.half()

    def forward(self, x: Tensor) -> Tensor:
        x = x.half()
        for layer in self.layers:
            x = layer(x).relu().square()
        return self.head(x)
