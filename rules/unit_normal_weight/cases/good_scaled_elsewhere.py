"""Unit weights whose scale is elsewhere: at run time, behind the product, in a norm, in the angle of a sine."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Equalized(nn.Module):
    """Karras et al. 2018: the scale is multiplied with the weight at every use."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.scale = inputs**-0.5

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale)


class Tangent(nn.Module):
    """The neural tangent parametrization: what it puts out is divided."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight / self.weight.shape[0] ** 0.5


class Model(nn.Module):
    def __init__(self, inputs: int = 32, width: int = 64, classes: int = 10) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(inputs, width))
        self.equalized, self.tangent = Equalized(width, width), Tangent(width, width)
        self.normed = nn.Parameter(torch.randn(width, width))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.tangent(self.equalized((x @ self.frequencies).sin()).relu())
        return self.head(self.norm(x @ self.normed).relu())
