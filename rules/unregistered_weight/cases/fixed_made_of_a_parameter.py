"""A parameter that was multiplied is a plain tensor: the positions are never trained."""

import torch
from torch import Tensor, nn


class Encoder(nn.Module):
    def __init__(self, length: int = 32, width: int = 64, classes: int = 10) -> None:
        super().__init__()
        self.enter = nn.Linear(16, width)
        position = nn.Parameter(torch.randn(length, width))
        scaled = nn.Parameter(position * 0.02)  # finding: unregistered-weight
        self.position = scaled
        self.layer = nn.TransformerEncoderLayer(width, 4, 128, batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.enter(x) + self.position).mean(1))


if __name__ == "__main__":
    print(Encoder()(torch.randn(8, 32, 16)).shape)
