"""A lambda that asks for the class itself, where the model has heirs of it only."""

import torch
from torch import Tensor, nn


class Masked(nn.Linear):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.register_buffer("mask", torch.ones(outputs, inputs).tril())

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight * self.mask, self.bias)


class Net(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.first = Masked(width, width)
        self.second = Masked(width, width)
        self.apply(lambda m: nn.init.kaiming_normal_(m.weight) if isinstance(m, nn.Linear) else None)  # finding: idle-initializer

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu())
