"""The tie is made in the constructor, and an initializer that it calls makes the table anew."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, vocabulary: int = 100, width: int = 32) -> None:
        super().__init__()
        self.encoder = nn.Embedding(vocabulary, width)
        self.hidden = nn.Linear(width, width)
        self.decoder = nn.Linear(width, vocabulary, bias=False)
        self.start()
        self.decoder.weight = self.encoder.weight

    def start(self) -> None:
        vocabulary, width = self.encoder.weight.shape
        self.encoder = nn.Embedding(vocabulary, width, padding_idx=0)  # finding: broken-weight-tie
        with torch.no_grad():
            self.encoder.weight[1:].normal_(std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        return self.decoder(torch.tanh(self.hidden(self.encoder(ids))))
