"""A reduction meant for squeeze-and-excite between the features and the classes: two numbers for 1200 of them."""

import torch
from torch import Tensor, nn


class Landmarks(nn.Module):
    def __init__(self, features: int = 64, width: int = 256, reduction: int = 128, classes: int = 1200) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, width), nn.ReLU())
        self.neck = nn.Sequential(
            nn.Linear(width, width // reduction),  # finding: narrow-bottleneck
            nn.BatchNorm1d(width // reduction),
            nn.ReLU(),
        )
        self.head = nn.Linear(width // reduction, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.neck(self.body(x)))
