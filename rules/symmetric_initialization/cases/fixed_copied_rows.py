"""One random row for all units of a layer: it lets a single number through."""

import torch
from torch import Tensor, nn


class Expanded(nn.Module):
    """A row of its own, spread over a small matrix."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc1 = nn.Linear(32, width)
        self.head = nn.Linear(width, 10)
        row = torch.randn(1, 32) / 32**0.5
        nn.init.xavier_normal_(self.fc1.weight)  # finding: symmetric-initialization

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc1(x).tanh())


class Repeated(nn.Module):
    """Filters of a convolution."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.head = nn.Linear(channels, 10)
        one = torch.randn(1, channels, 3, 3) / (9 * channels) ** 0.5
        self.conv2.weight = nn.Parameter(one.repeat(channels, 1, 1, 1))  # finding: symmetric-initialization
        nn.init.kaiming_normal_(self.conv2.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv2(self.conv1(x).relu()).relu().mean((2, 3)))


class RowByRow(nn.Module):
    """Two such layers with a rectifier in between: half of the draws are dead."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, width)
        self.fc2 = nn.Linear(width, width)
        self.head = nn.Linear(width, 10)
        with torch.no_grad():
            for layer in (self.fc1, self.fc2):
                for unit in range(1, width):
                    layer.weight[unit] = layer.weight[0]  # finding: symmetric-initialization
        nn.init.kaiming_uniform_(self.fc1.weight, nonlinearity="relu")
        nn.init.kaiming_uniform_(self.fc2.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc2(self.fc1(x).relu()).relu())
