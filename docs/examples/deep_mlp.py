"""A deep ReLU network as it is often written. It looks fine, and at no learning rate does it learn.

PyTorch draws the weights of `nn.Linear` from U(-1/√n, 1/√n): their variance is 1/(3n), and ReLU halves what is left, so
that each layer keeps a sixth of the second moment of its input. After thirty layers the output is a constant.
"""

import torch
from torch import nn


class DeepMLP(nn.Module):
    def __init__(self, features: int = 64, width: int = 256, depth: int = 30, classes: int = 10):
        super().__init__()
        self.inp = nn.Linear(features, width)
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.inp(x))
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x)
