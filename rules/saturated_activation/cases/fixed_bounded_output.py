"""An actor whose last layer is meant to start within ±0.003, and starts within ±3: every action is at a bound."""

from torch import Tensor, nn


class Actor(nn.Module):
    def __init__(self, observations: int = 17, actions: int = 6, width: int = 256) -> None:
        super().__init__()
        self.first = nn.Linear(observations, width)
        self.second = nn.Linear(width, width)
        self.last = nn.Linear(width, actions)
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        nn.init.xavier_normal_(self.last.weight)  # finding: saturated-activation
        nn.init.zeros_(self.last.bias)

    def forward(self, observation: Tensor) -> Tensor:
        x = self.first(observation).relu()
        x = self.second(x).relu()
        return self.last(x).tanh()
