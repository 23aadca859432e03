"""A copy of a frozen net that other gradients reach, one that drops units, and one whose target is something else."""

import copy

from torch import Tensor, nn
from torch.nn import functional as F


def encoder(width: int, rate: float = 0.0) -> nn.Sequential:
    return nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Dropout(rate), nn.Linear(width, width))


class Student(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.teacher = encoder(width).requires_grad_(False)
        self.student = copy.deepcopy(self.teacher).requires_grad_(True)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.student(x)
        return self.head(y), F.mse_loss(y, self.teacher(x))


class Dropped(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.teacher = encoder(width).requires_grad_(False)
        self.student = copy.deepcopy(self.teacher).requires_grad_(True)
        self.student[2].p = 0.2

    def forward(self, x: Tensor) -> Tensor:
        return (self.student(x) - self.teacher(x)).square().mean(-1)


class Preferred(nn.Module):
    """A reference that the loss is measured from, as it is: the difference starts at zero and its slope is one."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.reference = encoder(width).requires_grad_(False)
        self.policy = copy.deepcopy(self.reference).requires_grad_(True)

    def forward(self, x: Tensor) -> Tensor:
        return -F.logsigmoid(self.policy(x) - self.reference(x)).mean(-1)
