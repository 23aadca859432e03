"""The same kind of net whose activation is clipped at one: every level leads back to the fixed point."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 256, depth: int = 12, threshold: float = 0.5244) -> None:
        super().__init__()
        self.threshold = threshold
        self.first = nn.Linear(64, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, 10)
        nn.init.normal_(self.first.weight, std=64**-0.5)
        nn.init.zeros_(self.first.bias)
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=(4.23 / width) ** 0.5)
            nn.init.normal_(layer.bias, std=0.69)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for layer in self.layers:
            x = layer(torch.relu(x - self.threshold).clamp(max=1.0))
        return self.head(torch.relu(x - self.threshold).clamp(max=1.0))
