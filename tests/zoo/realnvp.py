"""RealNVP on vectors: affine coupling layers with alternating masks."""

import math

import torch
from torch import nn


class Coupling(nn.Module):
    def __init__(self, dim, hidden, mask):
        super().__init__()
        self.register_buffer("mask", mask)
        self.net = nn.Sequential(
            nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2 * dim)
        )
        # the flow starts as the identity
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, x):
        s, t = self.net(x * self.mask).chunk(2, dim=-1)
        s = torch.tanh(s) * (1 - self.mask)
        t = t * (1 - self.mask)
        return x * torch.exp(s) + t, s.sum(-1)


class RealNVP(nn.Module):
    def __init__(self, dim: int = 16, hidden: int = 128, n_layers: int = 8):
        super().__init__()
        base = torch.arange(dim) % 2
        self.layers = nn.ModuleList([Coupling(dim, hidden, (base if i % 2 else 1 - base).float()) for i in range(n_layers)])

    def forward(self, x):
        logdet = x.new_zeros(x.shape[0])
        for layer in self.layers:
            x, ld = layer(x)
            logdet = logdet + ld
        return x, logdet

    def log_prob(self, x):
        z, logdet = self(x)
        return -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1) + logdet


def nll(model: RealNVP, x: torch.Tensor) -> torch.Tensor:
    return -model.log_prob(x).mean()
