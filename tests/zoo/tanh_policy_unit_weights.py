"""Gaussian policy with tanh hidden layers."""

import torch
import torch.nn as nn
from torch.distributions import Normal


class GaussianPolicy(nn.Module):
    def __init__(self, obs_dim: int = 64, act_dim: int = 6, hidden: int = 256):
        super().__init__()
        self.l1 = nn.Linear(obs_dim, hidden)
        self.l2 = nn.Linear(hidden, hidden)
        self.mu = nn.Linear(hidden, act_dim)
        self.log_std = nn.Parameter(torch.zeros(act_dim))
        for layer in (self.l1, self.l2):
            layer.weight.data.normal_(0.0, 1.0)  # finding: saturated-activation
            layer.bias.data.zero_()

    def forward(self, obs):
        h = torch.tanh(self.l1(obs))
        h = torch.tanh(self.l2(h))
        return self.mu(h)

    def dist(self, obs):
        return Normal(self.forward(obs), self.log_std.exp())
