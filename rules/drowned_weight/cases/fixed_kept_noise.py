"""The same with noise that is kept in a buffer and drawn anew between steps."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Exploring(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.mean = nn.Parameter(torch.empty(outputs, inputs))
        self.factor = nn.Parameter(torch.empty(outputs, inputs))
        nn.init.uniform_(self.mean, -bound, bound)
        nn.init.constant_(self.factor, 0.5 / self.factor.size(1) ** 0.5)  # finding: drowned-weight
        self.register_buffer("noise", torch.zeros(outputs, inputs))
        self.draw()

    def draw(self) -> None:
        across, along = (torch.randn(size) for size in self.mean.shape)
        self.noise.copy_(torch.outer(across, along))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.mean + self.factor * self.noise)


class Values(nn.Module):
    def __init__(self, seen: int = 24, width: int = 192, actions: int = 5) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(seen, width), nn.ReLU())
        self.hidden = Exploring(width, width)
        self.actions = Exploring(width, actions)

    def forward(self, x: Tensor) -> Tensor:
        return self.actions(self.hidden(self.body(x)).relu())
