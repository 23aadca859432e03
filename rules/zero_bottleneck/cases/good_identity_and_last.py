"""Zeros that start at the identity: of a predicted matrix, a factor, a branch; and a last layer of zeros."""

import torch
from torch import Tensor, nn


def zeros(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class Cloud(nn.Module):
    def __init__(self, width: int = 64, labels: int = 12) -> None:
        super().__init__()
        self.look = nn.Sequential(nn.Linear(3, width), nn.ReLU())
        self.matrix = zeros(nn.Linear(width, 9))
        self.each = nn.Sequential(nn.Linear(3, width), nn.ReLU())
        self.factor = zeros(nn.Linear(width, width))
        self.branch = nn.Sequential(nn.Linear(width, width), nn.ReLU(), zeros(nn.Linear(width, width)))
        self.neck = nn.Sequential(nn.Linear(width, width), nn.ReLU())
        self.head = zeros(nn.Linear(width, labels))

    def forward(self, points: Tensor) -> Tensor:
        """points: (batch, 60, 3)."""
        turn = self.matrix(self.look(points).mean(1)).unflatten(-1, (3, 3)) + torch.eye(3)
        x = self.each(points @ turn)
        x = x * (1 + self.factor(x))
        x = x + self.branch(x)
        return self.head(self.neck(x).amax(1))
