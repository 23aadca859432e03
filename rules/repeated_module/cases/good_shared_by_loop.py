"""Weights shared on purpose by a loop over one layer; what is multiplied has no weights, or is a list of numbers."""

from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 2 * width)
        self.fc2 = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc2(self.fc1(self.norm(x)).relu())


class Net(nn.Module):
    def __init__(self, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        self.depth = depth
        self.shared = Block(width)
        widths = [width] * (depth + 1)
        self.layers = nn.ModuleList([Block(size) for size in widths[1:]])
        self.activations = nn.ModuleList([nn.GELU()] * depth)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.depth):
            x = self.shared(x)
        for layer, activation in zip(self.layers, self.activations, strict=True):
            x = activation(layer(x))
        return self.head(x)
