"""Lambdas that reach some layer, and one that is no initializer."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)
        self.second = nn.Linear(width, width)
        self.apply(lambda m: nn.init.kaiming_normal_(m.weight) if type(m) is nn.Linear else None)
        self.apply(lambda m: setattr(m, "momentum", 0.05) if isinstance(m, nn.BatchNorm2d) else None)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.norm(self.first(x)).relu())
