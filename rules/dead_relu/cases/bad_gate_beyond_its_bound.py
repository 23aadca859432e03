"""A hard sigmoid is flat from 3 on: the bias that was to open the gate takes its gradient."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Excited(nn.Module):
    def __init__(self, width: int = 64, classes: int = 10) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, width, 3, padding=1)
        self.squeeze = nn.Conv2d(width, 16, 1)
        self.excite = nn.Conv2d(16, width, 1)
        nn.init.normal_(self.excite.weight, std=0.01)
        nn.init.constant_(self.excite.bias, 4.0)  # finding: dead-relu
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.enter(x))
        gate = F.hardsigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))
        return self.head((x * gate).mean((2, 3)))
