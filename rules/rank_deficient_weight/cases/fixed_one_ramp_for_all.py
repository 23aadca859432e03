"""Every unit is given the same ramp: no constant, but one row all the same."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc1 = nn.Linear(32, width)
        self.fc2 = nn.Linear(width, 10)
        with torch.no_grad():
            nn.init.xavier_normal_(self.fc1.weight)  # finding: rank-deficient-weight

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).tanh())
