"""A grouped convolution meant to start as the identity: without `groups`, dirac_ fills the first group's channels only."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.mix = nn.Conv2d(channels, channels, 3, padding=1, groups=4)
        self.head = nn.Linear(channels, 10)
        nn.init.dirac_(self.mix.weight, groups=self.mix.groups)  # finding: rank-deficient-weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.mix(self.stem(x).relu()).relu().mean((2, 3)))
