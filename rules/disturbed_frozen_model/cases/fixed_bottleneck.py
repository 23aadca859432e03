"""Bottleneck adapters with the default start inside a frozen stack."""

from torch import Tensor, nn


class Adapter(nn.Module):
    def __init__(self, width: int, rank: int = 8) -> None:
        super().__init__()
        self.down = nn.Linear(width, rank)
        self.up = nn.Linear(rank, width)  # finding: disturbed-frozen-model
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.up(self.down(x).relu())


class Net(nn.Module):
    def __init__(self, width: int = 64, depth: int = 3) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.head = nn.Linear(width, 10)
        for p in self.parameters():
            p.requires_grad = False
        self.adapters = nn.ModuleList([Adapter(width) for _ in range(depth - 1)])

    def forward(self, x: Tensor) -> Tensor:
        for layer, adapter in zip(self.layers, self.adapters):
            x = adapter(layer(x).relu())
        return self.head(self.layers[-1](x))
