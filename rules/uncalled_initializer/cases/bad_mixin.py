"""The initializer of a mixin: the class that inherits it forgets to call it."""

from torch import Tensor, nn


class Initialized:
    def _initialize_weights(self) -> None:  # finding: uncalled-initializer
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class Base(nn.Module):
    def sizes(self) -> list[int]:
        return [item.numel() for item in self.parameters()]


class Net(Initialized, Base):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x).relu()).relu().mean((2, 3)))
