"""Deep fully connected network for tabular classification, He initialization."""

import torch
import torch.nn as nn


class DeepMLP(nn.Module):
    def __init__(self, in_dim=64, hidden=256, n_layers=10, n_classes=10):
        super().__init__()
        dims = [in_dim] + [hidden] * n_layers
        self.layers = nn.ModuleList([nn.Linear(dims[i], dims[i + 1]) for i in range(n_layers)])
        self.out = nn.Linear(hidden, n_classes)
        for m in self.layers:
            nn.init.kaiming_normal_(m.weight, mode="fan_in", nonlinearity="relu")
            nn.init.zeros_(m.bias)

    def forward(self, x):
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.out(x)


def train_step(model, optimizer, x, y):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()
