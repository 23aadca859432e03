"""Ten sigmoid layers: each passes 1/20 of the gradient on."""

import torch
from torch import Tensor, nn


class SigmoidNet(nn.Module):
    def __init__(self, width: int = 128, depth: int = 10) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))  # finding: vanishing-signal
        self.head = nn.Linear(width, 10)
        for layer in self.layers:
            nn.init.xavier_normal_(layer.weight, gain=3.6)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.sigmoid(layer(x))
        return self.head(x)
