"""A bias of -5 switches every unit off."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, width)
        self.fc2 = nn.Linear(width, 10)
        nn.init.zeros_(self.fc1.bias)  # finding: dead-relu

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).relu())
