"""Weights initialized after weight norm took them over, by both of its interfaces, and a draw into a copy."""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, weight_norm


class TemporalBlock(nn.Module):
    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(channels, channels, 3, padding=1)
        self.conv1.weight.data.normal_(0, 0.01)  # finding: ineffective-initialization
        self.conv1 = weight_norm(self.conv1)
        self.conv2 = nn.Conv1d(channels, channels, 3, padding=1)
        nn.init.normal_(self.conv2.weight, 0, 0.01)  # finding: ineffective-initialization
        self.conv2 = parametrizations.weight_norm(self.conv2)
        self.head = nn.Linear(channels, 10)
        self.init_weights()

    def init_weights(self) -> None:
        self.head.weight.data.uniform_(-0.1, 0.1)  # finding: ineffective-initialization

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.conv2(torch.relu(self.conv1(x)))).mean(-1))
