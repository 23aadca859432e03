"""Exponentials of wide layers that are bounded, or divided by their sum, or under a logarithm; heads as PyTorch starts them; a flow of
eight couplings whose last layers are near zero; an exponential of a parameter."""

import torch
from torch import Tensor, nn


def wide(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight)
    return layer


class Coupling(nn.Module):
    def __init__(self, half: int, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(half, width), nn.ReLU(), nn.Linear(width, 2 * half))
        nn.init.normal_(self.net[2].weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        kept, changed = x.chunk(2, dim=-1)
        scale, shift = self.net(kept).chunk(2, dim=-1)
        return torch.cat((changed * scale.exp() + shift, kept), dim=-1)


class Net(nn.Module):
    def __init__(self, seen: int = 32, width: int = 64) -> None:
        super().__init__()
        self.flow = nn.Sequential(*[Coupling(seen // 2, width) for _ in range(8)])
        self.usual = nn.Linear(seen, width)
        self.squashed = wide(seen, width)
        self.clamped = wide(seen, width)
        self.shares = wide(seen, width)
        self.mixture = wide(seen, width)
        self.level = nn.Parameter(torch.randn(width))
        self.head = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.flow(x)
        y = torch.exp(self.usual(x)) + torch.exp(2 * torch.tanh(self.squashed(x)))
        y = y * torch.exp(self.clamped(x).clamp(-3, 2)) * torch.exp(self.level)
        weights = self.shares(x)
        weights = torch.exp(weights - weights.amax(dim=-1, keepdim=True))
        weights = weights / weights.sum(dim=-1, keepdim=True)
        evidence = torch.log(torch.exp(self.mixture(x) / 4).sum(dim=-1))
        return self.head(weights * y), evidence
