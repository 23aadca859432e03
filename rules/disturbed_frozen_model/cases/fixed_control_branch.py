"""A control branch on a frozen model, whose last convolution does not start at zero."""

from torch import Tensor, nn


class Control(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 1)  # finding: disturbed-frozen-model
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, hint: Tensor) -> Tensor:
        return self.conv2(self.conv1(hint).relu())


class Net(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
        self.up = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 3, 3, padding=1))
        self.down.requires_grad_(False)
        self.up.requires_grad_(False)
        self.control = Control(width)

    def forward(self, x: Tensor, hint: Tensor) -> Tensor:
        return self.up((self.down(x) + self.control(hint)).relu())
