"""No settings name a learning rate: nothing is said of it. With one, `tests/rules/test_learning_rate.py` has the cases."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, width)
        self.fc2 = nn.Linear(width, width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.fc2(torch.relu(self.fc1(x)))))
