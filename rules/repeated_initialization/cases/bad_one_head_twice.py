"""Copied and not changed: the policy twice, the value never."""

import math

from torch import Tensor, nn


def layer_init(layer: nn.Linear, std: float = math.sqrt(2)) -> None:
    nn.init.orthogonal_(layer.weight, std)
    nn.init.zeros_(layer.bias)


class ActorCritic(nn.Module):
    def __init__(self, seen: int = 17, actions: int = 6, width: int = 64) -> None:
        super().__init__()
        self.trunk1 = nn.Linear(seen, width)
        self.trunk2 = nn.Linear(width, width)
        self.policy_head = nn.Linear(width, actions)
        self.value_head = nn.Linear(width, 1)
        layer_init(self.trunk1)
        layer_init(self.trunk2)
        layer_init(self.policy_head, std=0.01)
        layer_init(self.policy_head, std=1.0)  # finding: repeated-initialization

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.trunk2(self.trunk1(x).tanh()).tanh()
        return self.policy_head(x), self.value_head(x)
