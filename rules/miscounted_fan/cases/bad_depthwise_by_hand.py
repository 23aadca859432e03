"""He's deviation by hand, of all input channels: each output of a depthwise convolution reads one."""

import math

from torch import Tensor, nn


def he_std(layer: nn.Conv2d) -> float:
    return math.sqrt(2 / (layer.kernel_size[0] * layer.kernel_size[1] * layer.in_channels))


class Separable(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.pointwise = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x).relu()).relu()


class Net(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.Sequential(Separable(width), Separable(width))
        self.head = nn.Linear(width, 10)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=he_std(module))  # finding: miscounted-fan

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x).relu()).mean((2, 3)))
