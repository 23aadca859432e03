"""Noise that falls with the root of the inputs; a narrow posterior; one with means of zero; noise on few inputs; weights that are dropped."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Noisy(nn.Module):
    def __init__(self, inputs: int, outputs: int, factor: float) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.mean = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.factor = nn.Parameter(torch.full((outputs, inputs), factor))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.mean + self.factor * torch.randn_like(self.factor))


class Posterior(nn.Module):
    def __init__(self, inputs: int, outputs: int, zero: bool) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.empty(outputs, inputs))
        nn.init.kaiming_normal_(self.mean)
        if zero:
            nn.init.zeros_(self.mean)
        self.raw = nn.Parameter(torch.full((outputs, inputs), -2.0 if zero else -5.0))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.mean + F.softplus(self.raw) * torch.randn_like(self.raw))


class Dropped(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        nn.init.kaiming_normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, F.dropout(self.weight, 0.5, self.training))


class Net(nn.Module):
    def __init__(self, seen: int = 4, width: int = 128) -> None:
        super().__init__()
        self.few = Noisy(seen, width, 0.5)
        self.usual = Noisy(width, width, 0.5 / width**0.5)
        self.narrow = Posterior(width, width, zero=False)
        self.empty = Posterior(width, width, zero=True)
        self.dropped = Dropped(width, width)
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.usual(self.few(x).relu()).relu()
        return self.head(self.dropped(self.empty(self.narrow(x).relu()).relu()).relu())
