"""A gate that is stretched past its bounds and cut off there (Louizos et al. 2018), started where it is cut off."""

import torch
from torch import Tensor, nn

LOW, HIGH = -0.1, 1.1


class Branch(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.log_alpha = nn.Parameter(torch.full((width,), -2.0))  # finding: closed-gate

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.clamp(torch.sigmoid(self.log_alpha) * (HIGH - LOW) + LOW, min=0.0, max=1.0)
        return gate * self.fc(x).relu()


class Net(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.branch = Branch(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x + self.branch(x))
