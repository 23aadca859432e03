"""The gain of ReLU, given as the negative slope."""

import math

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)
        self.head = nn.Linear(width, 10)
        nn.init.kaiming_normal_(self.fc1.weight, nonlinearity="relu")  # finding: gain-passed-as-slope
        nn.init.kaiming_uniform_(self.fc2.weight, nonlinearity="tanh")  # finding: gain-passed-as-slope

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc2(self.fc1(x).relu()).tanh())
