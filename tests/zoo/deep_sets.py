"""Deep Sets: a permutation-invariant regressor."""

import torch.nn as nn


def mlp(*sizes, act=nn.ELU, last=False):
    layers = []
    for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:])):
        layers.append(nn.Linear(a, b))
        if i < len(sizes) - 2 or last:
            layers.append(act())
    return nn.Sequential(*layers)


class DeepSet(nn.Module):
    def __init__(self, dim_input=8, dim_hidden=128, num_outputs=1):
        super().__init__()
        self.phi = mlp(dim_input, dim_hidden, dim_hidden, dim_hidden)
        self.rho = mlp(dim_hidden, dim_hidden, num_outputs)

    def forward(self, X):
        # X: (batch, set size, dim_input)
        return self.rho(self.phi(X).mean(dim=1))
