"""A deep fully connected network for tabular classification."""

import torch
import torch.nn as nn


class DeepMLP(nn.Module):
    def __init__(self, in_dim=64, hidden=128, n_layers=30, n_classes=10):
        super().__init__()
        self.inp = nn.Linear(in_dim, hidden)
        layers = []
        for _ in range(n_layers - 2):
            layers.append(nn.Linear(hidden, hidden))  # finding: vanishing-signal
            layers.append(nn.ReLU(inplace=True))
        self.hidden = nn.Sequential(*layers)
        self.out = nn.Linear(hidden, n_classes)

    def forward(self, x):
        x = torch.relu(self.inp(x))
        x = self.hidden(x)
        return self.out(x)


if __name__ == "__main__":
    net = DeepMLP()
    print(net)
    print(net(torch.randn(4, 64)).shape)
