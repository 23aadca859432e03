"""A random rotation that a local variable holds first, and that is a buffer afterwards; another becomes a parameter."""

import torch
from torch import nn


class Rotation(nn.Module):
    def __init__(self, features=16):
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(features, features))[0]
        self.register_buffer("rotation", rotation)
        second = torch.linalg.qr(torch.randn(features, features))[0]
        second = nn.Parameter(second)
        self.second = second
        self.out = nn.Linear(features, 4)

    def forward(self, x):
        return self.out(x @ self.rotation @ self.second)
