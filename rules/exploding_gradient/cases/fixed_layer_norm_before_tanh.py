"""Layer norm before tanh in sixty layers: no variance of the weights keeps the gradient, isometric weights and a small gain of the norms do."""

import torch
from torch import Tensor, nn


class Encoder(nn.Module):
    """Plain layers, normalized within each sample."""

    def __init__(self, inputs: int = 64, width: int = 96, depth: int = 60, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Linear(inputs, width)
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(depth)])
        self.head = nn.Linear(width, classes)
        for layer in self.layers:
            nn.init.orthogonal_(layer.weight)  # finding: exploding-gradient
            nn.init.zeros_(layer.bias)
        for module in self.norms:
            nn.init.constant_(module.weight, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = torch.tanh(norm(layer(x)))
        return self.head(x)
