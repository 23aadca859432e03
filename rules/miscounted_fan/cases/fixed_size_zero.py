"""The first dimension of a weight, taken for its inputs."""

import math

from torch import Tensor, nn


def limits(layer: nn.Linear) -> tuple[float, float]:
    fan_in = layer.weight.data.size()[0]
    limit = 1.0 / math.sqrt(fan_in)
    return -limit, limit


class Actor(nn.Module):
    def __init__(self, seen: int = 33, actions: int = 4) -> None:
        super().__init__()
        self.fc1 = nn.Linear(seen, 400)
        self.fc2 = nn.Linear(400, 300)
        self.fc3 = nn.Linear(300, actions)
        nn.init.kaiming_uniform_(self.fc1.weight, a=math.sqrt(5))  # finding: miscounted-fan
        self.fc2.weight.data.uniform_(*limits(self.fc2))
        self.fc3.weight.data.uniform_(-3e-3, 3e-3)

    def forward(self, state: Tensor) -> Tensor:
        return self.fc3(self.fc2(self.fc1(state).relu()).relu()).tanh()
