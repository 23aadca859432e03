"""Tests for what a net may have: all dimensions, a class of its own that is a Conv1d, and a family that it does not have at all."""

from torch import Tensor, nn


class Causal(nn.Conv1d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(nn.functional.pad(x, (self.kernel_size[0] - 1, 0)))


def start(module: nn.Module) -> None:
    if isinstance(module, nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, (nn.Conv1d, nn.Conv3d)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)


class Signals(nn.Module):
    def __init__(self, channels: int = 24, labels: int = 5) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Causal(3, channels, 3), Causal(channels, channels, 3)])
        self.head = nn.Linear(channels, labels)
        self.apply(start)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).relu()
        return self.head(x.mean(-1))
