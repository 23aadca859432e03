"""Classic multilayer perceptron with logistic units."""

import torch
import torch.nn as nn


class SigmoidMLP(nn.Module):
    def __init__(self, sizes=(64, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 10)):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(i, o) for i, o in zip(sizes[:-1], sizes[1:])])
        self._reset_parameters()

    def _reset_parameters(self):
        for layer in self.layers:
            nn.init.xavier_uniform_(layer.weight)  # finding: vanishing-signal
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.sigmoid(layer(x))
        return self.layers[-1](x)
