"""An initializer that came along from a net for images; the layers for signals are asked for nowhere."""

from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = nn.Conv1d(channels, channels, 5, padding=2)
        self.far = nn.Conv1d(channels, channels, 5, padding=8, dilation=4)

    def forward(self, x: Tensor) -> Tensor:
        return self.far(self.near(x).relu()).relu()


class Signals(nn.Module):
    def __init__(self, channels: int = 24, depth: int = 3, labels: int = 5) -> None:
        super().__init__()
        self.stem = nn.Conv1d(2, channels, 7, stride=2)
        self.blocks = nn.Sequential(*[Block(channels) for _ in range(depth)])
        self.head = nn.Linear(channels, labels)
        self.apply(self._start)

    @staticmethod
    def _start(module: nn.Module) -> None:
        if isinstance(module, nn.Conv1d):  # finding: unmatched-module-class
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.05)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, 2, 128)."""
        return self.head(self.blocks(self.stem(x)).mean(-1))
