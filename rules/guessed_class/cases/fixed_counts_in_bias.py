"""A head that is to start at the shares of its classes, given their ratios in place of the logarithms."""

import torch
from torch import Tensor, nn

COUNTS = (6705, 1113, 1099, 514, 327, 142, 115)


class Lesions(nn.Module):
    def __init__(self, inputs: int = 64, width: int = 128) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU())
        self.head = nn.Linear(width, len(COUNTS))
        nn.init.normal_(self.head.weight, std=0.01)
        counts = torch.tensor(COUNTS, dtype=torch.float32)
        with torch.no_grad():
            self.head.bias.copy_((counts / counts.min()).log())  # finding: guessed-class

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))
