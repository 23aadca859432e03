"""The deviation by name; and the positive mean of a batch norm's scale, which is meant."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, 10)
        nn.init.normal_(self.fc.weight, std=0.1)
        nn.init.normal_(self.norm.weight, 1.0, 0.02)
        nn.init.normal_(self.head.weight, 0.0, 0.02)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.fc(x)).relu())
