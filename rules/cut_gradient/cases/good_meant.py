"""Gradients that are stopped on purpose: straight-through rounding, a moving average, a target beside its source, a detached statistic."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Rounded(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        step = self.weight.detach().abs().mean()
        weight = self.weight / step
        return F.linear(x, (weight + (weight.round() - weight).detach()) * step, self.bias)


class Averaged(nn.Module):
    """A centre that follows what it sees."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.centre = nn.Parameter(torch.randn(1, width))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - self.centre.detach()
        self.centre.data.mul_(0.99).add_(0.01 * x.detach().mean(0, keepdim=True))
        return centred


class Followed(nn.Module):
    """The same under `no_grad`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.centre = nn.Parameter(torch.randn(1, width))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - self.centre.detach()
        with torch.no_grad():
            self.centre.mul_(0.99).add_(0.01 * x.mean(0, keepdim=True))
        return centred


class Model(nn.Module):
    def __init__(self, inputs: int = 32, width: int = 64, classes: int = 10) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.body = Rounded(width, width)
        self.centre = nn.Sequential(Averaged(width), Followed(width))
        self.predict = nn.Linear(width, width)
        self.teacher = nn.Linear(inputs, width).requires_grad_(False)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.centre(self.body(self.enter(x).relu()))
        apart = (self.predict(hidden) - hidden.detach()).square().mean()
        with torch.no_grad():
            wanted = self.teacher(x)
        return self.head(hidden.relu()), apart, (hidden - wanted).square().mean()
