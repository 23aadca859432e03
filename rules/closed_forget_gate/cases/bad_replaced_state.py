"""A gated unit with biases of its own that goes from its state to the candidate, with a gate that starts by replacing nearly all of it."""

import torch
from torch import Tensor, nn


class Unit(nn.Module):
    def __init__(self, seen: int = 16, width: int = 40, outputs: int = 2) -> None:
        super().__init__()
        self.width = width
        self.read = nn.Linear(seen, 3 * width, bias=False)
        self.repeat = nn.Linear(width, 3 * width, bias=False)
        self.reset_bias = nn.Parameter(torch.zeros(width))
        self.update_bias = nn.Parameter(torch.full((width,), 3.0))  # finding: closed-forget-gate
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(x.shape[0], self.width)
        for step in range(x.shape[1]):
            given = self.read(x[:, step]).chunk(3, dim=-1)
            kept = self.repeat(state).chunk(3, dim=-1)
            update = torch.sigmoid(given[0] + kept[0] + self.update_bias)
            reset = torch.sigmoid(given[1] + kept[1] + self.reset_bias)
            candidate = torch.tanh(given[2] + reset * kept[2])
            state = state + update * (candidate - state)
        return self.head(state)
