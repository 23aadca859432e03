"""Every feature is multiplied by a factor that a layer of zeros predicts: zero, where one was meant."""

from torch import Tensor, nn


class Rescaled(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ask = nn.Sequential(nn.Linear(width, width // 4), nn.ReLU())
        self.factor = nn.Linear(width // 4, width)
        nn.init.kaiming_normal_(self.factor.weight, nonlinearity="linear")  # finding: zero-bottleneck
        nn.init.zeros_(self.factor.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor(self.ask(x))


class Net(nn.Module):
    def __init__(self, seen: int = 20, width: int = 64, labels: int = 6) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Linear(seen, width), nn.GELU())
        self.rescaled = Rescaled(width)
        self.body = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width), nn.GELU())
        self.head = nn.Linear(width, labels)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.rescaled(self.enter(x))))
