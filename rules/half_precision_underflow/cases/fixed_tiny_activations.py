"""Weights that half precision just holds, with products that it does not hold."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 16384) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width, bias=False, dtype=torch.float16)
        self.fc2 = nn.Linear(width, width, bias=False, dtype=torch.float16)
        self.head = nn.Linear(width, 10, dtype=torch.float16)
        for m in (self.fc1, self.fc2):
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")  # finding: half-precision-underflow

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc2(self.fc1(x.half()).relu()).relu())
