"""Fully connected autoencoder for flattened digits."""

import torch
from torch import nn


class AutoEncoder(nn.Module):
    def __init__(self, input_shape=64, code=16, **kwargs):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(in_features=input_shape, out_features=128),
            nn.ReLU(),
            nn.Linear(128, 64),
            nn.ReLU(),
            nn.Linear(64, code),
        )
        self.decoder = nn.Sequential(
            nn.Linear(code, 64),
            nn.ReLU(),
            nn.Linear(64, 128),
            nn.ReLU(),
            nn.Linear(128, input_shape),
        )

    def forward(self, features):
        code = self.encoder(features)
        return self.decoder(code)


def train(net, batches, lr=1e-3):
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    criterion = nn.MSELoss()
    for x in batches:
        optimizer.zero_grad()
        loss = criterion(net(x), x)
        loss.backward()
        optimizer.step()
    return loss.item()
