"""Recurrent layers as they are started for long sequences: orthogonal weights of the states, forget gates open."""

import torch
from torch import Tensor, nn


class Reader(nn.Module):
    def __init__(self, features: int = 16, width: int = 64) -> None:
        super().__init__()
        self.first = nn.LSTM(features, width, batch_first=True, bidirectional=True)
        self.second = nn.GRU(2 * width, width, batch_first=True)
        self.third = nn.RNN(width, width, batch_first=True)
        for layer in (self.first, self.second, self.third):
            for name, parameter in layer.named_parameters():
                if "weight_hh" in name:
                    nn.init.orthogonal_(parameter)
                elif "weight_ih" in name:
                    nn.init.xavier_uniform_(parameter)
                else:
                    nn.init.zeros_(parameter)
        with torch.no_grad():
            for name, parameter in self.first.named_parameters():
                if "bias_ih" in name:
                    parameter[width : 2 * width].fill_(1.0)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.first(x)
        x, _ = self.second(x)
        x, _ = self.third(x)
        return self.head(x[:, -1])
