"""A sine network whose hidden bound lacks the 1/omega: three hidden layers are enough to make a hash of it."""

import math

import torch
from torch import nn


class Sine(nn.Module):
    def __init__(self, inputs, outputs, omega=30.0, first=False):
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(inputs, outputs)
        bound = 1 / inputs if first else math.sqrt(6 / inputs) / self.omega
        nn.init.uniform_(self.linear.weight, -bound, bound)  # finding: exploding-gradient

    def forward(self, x):
        return torch.sin(self.omega * self.linear(x))


class Siren(nn.Module):
    def __init__(self, inputs=2, width=64, hidden=3, outputs=1):
        super().__init__()
        self.net = nn.Sequential(Sine(inputs, width, first=True), *(Sine(width, width) for _ in range(hidden)))
        self.out = nn.Linear(width, outputs)

    def forward(self, coordinates):
        return self.out(self.net(coordinates))
