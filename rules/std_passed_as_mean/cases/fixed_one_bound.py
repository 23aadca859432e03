"""A spread of 0.05 for a uniform draw, given where its lower bound stands."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, words: int = 100, width: int = 64, spread: float = 0.05) -> None:
        super().__init__()
        self.spread = spread
        self.table = nn.Embedding(words, width)
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)
        self.head = nn.Linear(width, 10)
        nn.init.uniform_(self.table.weight, -self.spread, self.spread)  # finding: std-passed-as-mean
        for layer in (self.fc1, self.fc2, self.head):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")  # finding: std-passed-as-mean  # finding: exploding-signal

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.fc1(self.table(x)))
        return self.head(torch.relu(self.fc2(x)))
