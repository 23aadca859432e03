"""Copies with gradients of their own: one that is only a target, one that reads another input, and twins that are drawn anew."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def value(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))


class WithTarget(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.online = value(width)
        self.target = copy.deepcopy(self.online)
        self.target.requires_grad_(False)

    def forward(self, x: Tensor, later: Tensor) -> Tensor:
        with torch.no_grad():
            goal = 0.9 * self.target(later)
        return F.mse_loss(self.online(x), goal)


class Drawn(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.first = value(width)
        self.second = value(width)

    def forward(self, x: Tensor) -> Tensor:
        return torch.minimum(self.first(x), self.second(x))


class Teacher(nn.Module):
    """The copy follows a supervised net, and is compared with it: other gradients than those of the difference take them apart."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.student = value(width)
        self.teacher = copy.deepcopy(self.student)
        self.teacher.requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.student(x)
        return y, F.mse_loss(y, self.teacher(x))
