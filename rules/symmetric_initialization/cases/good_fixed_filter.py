"""A frozen box filter and a depthwise mean are constants with a purpose; norm gains and a zero head are no mixing weights."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.blur = nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False)
        nn.init.constant_(self.blur.weight, 1 / 9)
        self.blur.weight.requires_grad_(False)
        self.smooth = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        nn.init.constant_(self.smooth.weight, 1 / 9)
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.head = nn.Linear(channels, 10)
        nn.init.zeros_(self.head.weight)

    def forward(self, image: Tensor) -> Tensor:
        x = self.smooth(self.norm(self.conv(self.blur(image))).relu())
        return self.head(x.mean((2, 3)))
