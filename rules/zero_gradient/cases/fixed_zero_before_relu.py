"""A zero layer without bias meets a rectifier, which has no slope at zero."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.enter = nn.Linear(32, width)
        self.zero = nn.Linear(width, width, bias=False)
        nn.init.normal_(self.zero.weight, std=0.02)  # finding: zero-gradient
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x)
        return self.head(h + self.zero(h).relu())
