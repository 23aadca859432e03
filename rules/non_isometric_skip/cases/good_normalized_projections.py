"""Large projections that a normalization sets right, and default ones of a net of three stages."""

from torch import Tensor, nn


class Stage(nn.Module):
    def __init__(self, inputs: int, outputs: int, *, norm: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)
        self.norm = nn.BatchNorm2d(outputs) if norm else nn.Identity()
        nn.init.kaiming_normal_(self.conv1.weight)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)
        if norm:
            nn.init.normal_(self.shortcut.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.shortcut(x)) + self.conv2(self.conv1(x).relu())


class Net(nn.Module):
    def __init__(self, channels: int = 16, depth: int = 3, *, norm: bool = True) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.stages = nn.Sequential(*[Stage(channels, channels, norm=norm) for _ in range(depth)])
        self.head = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(x)).mean((2, 3)))


normalized = Net()
plain = Net(norm=False)
