"""Units that stand at 0 or at 6 for nearly all inputs."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        nn.init.xavier_normal_(self.fc1.weight)  # finding: saturated-activation
        self.clip = nn.ReLU6()
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.clip(self.fc1(x)))
