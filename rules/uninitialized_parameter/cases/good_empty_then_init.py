"""torch.empty is how a parameter is allocated before reset_parameters writes it."""

import math

import torch
from torch import Tensor, nn


class MyLinear(nn.Module):
    def __init__(self, n: int, m: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(m, n))
        self.bias = nn.Parameter(torch.empty(m))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        with torch.no_grad():
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight, self.bias)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = MyLinear(64, 64)
        self.head = MyLinear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc(x).relu())
