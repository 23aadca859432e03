"""The gain of a leaky rectifier with the root of its denominator only: 1.98 for 1.40, in eight layers."""

import math

from torch import Tensor, nn

SLOPE = 0.15


class Discriminator(nn.Module):
    def __init__(self, seen: int = 20, width: int = 96, depth: int = 8) -> None:
        super().__init__()
        sizes = [seen] + [width] * depth
        self.hidden = nn.ModuleList([nn.Linear(*pair) for pair in zip(sizes, sizes[1:], strict=False)])
        self.judge = nn.Linear(width, 1)
        gain = 2 / math.sqrt(1 + SLOPE**2)
        for layer in self.hidden:
            nn.init.xavier_normal_(layer.weight, gain=gain)  # finding: mismatched-gain

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = nn.functional.leaky_relu(layer(x), SLOPE)
        return self.judge(x)
