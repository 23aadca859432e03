"""A goal that is projected by random features, whose buffer was allocated and never drawn."""

import torch
from torch import Tensor, nn


class Policy(nn.Module):
    def __init__(self, state: int = 10, goal: int = 3, features: int = 32, actions: int = 4) -> None:
        super().__init__()
        self.register_buffer("projection", torch.zeros(goal, features))  # finding: cut-off-input
        self.body = nn.Sequential(nn.Linear(state + features, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
        self.head = nn.Linear(64, actions)
        nn.init.normal_(self.projection)

    def forward(self, state: Tensor, goal: Tensor) -> Tensor:
        return self.head(self.body(torch.cat([state, (goal @ self.projection).cos()], -1)))
