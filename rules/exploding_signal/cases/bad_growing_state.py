"""Rectified units whose state is multiplied by more than one at every step."""

import torch
from torch import Tensor, nn


class Counter(nn.Module):
    def __init__(self, features: int = 16, width: int = 64) -> None:
        super().__init__()
        self.rnn = nn.RNN(features, width, nonlinearity="relu", batch_first=True)
        with torch.no_grad():
            self.rnn.weight_hh_l0.copy_(3 * torch.eye(width))  # finding: exploding-signal
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.rnn(x)
        return self.head(states[:, -1])
