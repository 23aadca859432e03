"""A sparse net at the edge of chaos: the threshold at which 85 % are zero, and weights and biases that keep 1 at 1."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 256, depth: int = 30, threshold: float = 1.0364) -> None:
        super().__init__()
        self.threshold = threshold
        self.first = nn.Linear(64, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, 10)
        nn.init.normal_(self.first.weight, std=(27.6 / self.first.in_features) ** 0.5)
        nn.init.normal_(self.first.bias, std=2.09)
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=(2.34 / layer.in_features) ** 0.5)  # finding: unstable-activation
            nn.init.normal_(layer.bias, std=2.09)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for layer in self.layers:
            x = layer(torch.relu(x - self.threshold))
        return self.head(torch.relu(x - self.threshold))
