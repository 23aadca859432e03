"""Thirty default layers: the output keeps a spread of 0.04, but what depends on the input is gone."""

from torch import Tensor, nn


class DeepMLP(nn.Module):
    def __init__(self, width: int = 256, depth: int = 30, classes: int = 10) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))  # finding: vanishing-signal
        self.act = nn.ReLU()
        self.head = nn.Linear(width, classes)
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = self.act(layer(x))
        return self.head(x)
