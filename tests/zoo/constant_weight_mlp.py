"""Small MLP with deterministic weights, so that runs are reproducible."""

import torch
from torch import nn


class ReproducibleMLP(nn.Module):
    def __init__(self, in_features=64, hidden=128, out_features=10):
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, out_features)
        self.reset()

    def reset(self):
        for layer in [self.fc1, self.fc2, self.fc3]:
            torch.nn.init.constant_(layer.weight, 0.02)  # finding: symmetric-initialization
            torch.nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = torch.sigmoid(self.fc1(x))
        x = torch.sigmoid(self.fc2(x))
        return self.fc3(x)
