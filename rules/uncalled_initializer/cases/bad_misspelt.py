"""What the constructor of nn.Linear calls, overridden with a letter left out."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Noisy(nn.Linear):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.spread = nn.Parameter(torch.full((outputs, inputs), 0.05))

    def reset_paramters(self) -> None:  # finding: uncalled-initializer
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight + self.spread * torch.randn_like(self.spread), self.bias)


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.first = Noisy(width, width)
        self.second = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu())
