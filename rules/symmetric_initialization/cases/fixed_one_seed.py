"""Twin critics that seed the generator in their constructors: they are one critic."""

import torch
from torch import Tensor, nn


class Critic(nn.Module):
    def __init__(self, seen: int, acts: int, seed: int) -> None:
        super().__init__()
        self.first = nn.Linear(seen + acts, 64)  # finding: symmetric-initialization
        self.second = nn.Linear(64, 64)
        self.value = nn.Linear(64, 1)

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        x = self.first(torch.cat([state, action], -1)).relu()
        return self.value(self.second(x).relu())


class Twins(nn.Module):
    def __init__(self, seen: int = 8, acts: int = 2, seed: int = 0) -> None:
        super().__init__()
        self.one = Critic(seen, acts, seed)
        self.other = Critic(seen, acts, seed)

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        return torch.minimum(self.one(state, action), self.other(state, action))
