"""Very deep fully connected tower, batch norm after every layer."""

import torch.nn as nn


def fc_bn_relu(n_in, n_out):
    return nn.Sequential(
        nn.Linear(n_in, n_out, bias=False),  # finding: exploding-gradient
        nn.BatchNorm1d(n_out),
        nn.ReLU(inplace=True),
    )


class Tower(nn.Module):
    def __init__(self, n_in=64, width=128, depth=60, n_out=10):
        super().__init__()
        self.stem = nn.Linear(n_in, width)
        self.layers = nn.Sequential(*[fc_bn_relu(width, width) for _ in range(depth)])
        self.fc = nn.Linear(width, n_out)

    def forward(self, x):
        return self.fc(self.layers(self.stem(x)))
