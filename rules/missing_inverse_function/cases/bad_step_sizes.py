"""Step sizes of a diagonal state space layer, written into the bias as they are; softplus makes 0.7 of all of them."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Scan(nn.Module):
    def __init__(self, width: int, states: int = 4, shortest: float = 0.001, longest: float = 0.1) -> None:
        super().__init__()
        self.to_step = nn.Linear(width, width)
        self.to_state = nn.Linear(width, states)
        self.rates = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(width, 1))
        steps = torch.exp(torch.rand(width) * math.log(longest / shortest) + math.log(shortest))
        with torch.no_grad():
            self.to_step.weight.mul_(0.1)
            self.to_step.bias.copy_(steps)  # finding: missing-inverse-function

    def forward(self, x: Tensor) -> Tensor:
        step, written = F.softplus(self.to_step(x)), self.to_state(x)
        kept = torch.exp(-step[..., None] * self.rates.exp())
        state, found = torch.zeros_like(kept[:, 0]), []
        for time in range(x.shape[1]):
            state = kept[:, time] * state + (step[:, time] * x[:, time])[..., None] * written[:, time, None]
            found.append(state.sum(-1))
        return torch.stack(found, 1)


class Sensors(nn.Module):
    def __init__(self, channels: int = 6, width: int = 32, classes: int = 5) -> None:
        super().__init__()
        self.embed = nn.Linear(channels, width)
        self.scan = Scan(width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:  # float[batch, 12, 6]
        x = self.embed(x)
        return self.head(self.norm(x + self.scan(x))[:, -1])
