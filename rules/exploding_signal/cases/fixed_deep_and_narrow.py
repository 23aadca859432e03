"""Thirty-two rectifier layers of width 16: independent weights of any size would leave a few directions, the identity keeps all."""

from torch import Tensor, nn


class Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width, bias=False)
        nn.init.eye_(self.fc.weight)  # finding: exploding-signal

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x).relu()


class Net(nn.Module):
    def __init__(self, inputs: int = 64, width: int = 16, depth: int = 32) -> None:
        super().__init__()
        self.stem = nn.Linear(inputs, width)
        self.layers = nn.Sequential(*(Layer(width) for _ in range(depth)))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.stem(x).relu()))
