"""A matrix that is assigned its own first row: it lets a single number through."""

import torch
from torch import Tensor, nn


class Assigned(nn.Module):
    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, width)
        self.fc2 = nn.Linear(width, width)
        self.head = nn.Linear(width, 10)
        with torch.no_grad():
            self.fc2.weight[:] = self.fc2.weight[0]  # finding: symmetric-initialization
        nn.init.xavier_uniform_(self.fc2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc2(self.fc1(x).tanh()).tanh())
