"""The exponential of a sum of 256 terms of size ten."""

import torch
from torch import Tensor, nn


class Scales(nn.Module):
    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.log_scale = nn.Linear(width, width)
        nn.init.kaiming_normal_(self.hidden.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.log_scale.weight, nonlinearity="linear")  # finding: half-precision-overflow
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.exp(self.log_scale(self.hidden(x).relu()))
        return self.head(x * scale)
