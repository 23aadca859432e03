"""A random rotation that a local variable holds first."""

import torch
from torch import nn


class Rotation(nn.Module):
    def __init__(self, features=16):
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(features, features))[0]
        self.rotation = nn.Parameter(rotation)  # finding: unregistered-weight
        self.out = nn.Linear(features, 4)

    def forward(self, x):
        return self.out(x @ self.rotation)
