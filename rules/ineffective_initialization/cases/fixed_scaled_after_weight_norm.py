"""Branches are meant to start small, but the weight that is scaled is computed from magnitude and direction at every use."""

from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


class Branch(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = weight_norm(nn.Conv1d(width, width, 3, padding=1))
        self.second = weight_norm(nn.Conv1d(width, width, 3, padding=1))
        self.second.parametrizations.weight.original0.data.mul_(0.01)  # finding: ineffective-initialization

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x).relu())


class Net(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv1d(4, width, 3, padding=1)
        self.branches = nn.Sequential(*[Branch(width) for _ in range(3)])
        self.head = nn.Conv1d(width, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.branches(self.stem(x)))
