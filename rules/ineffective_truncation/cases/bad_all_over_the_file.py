"""The default bounds in several calls: one habit, one note."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)
        self.head = nn.Linear(width, 10)
        nn.init.trunc_normal_(self.fc.weight, std=0.1)  # finding: ineffective-truncation
        nn.init.trunc_normal_(self.gate.weight, std=0.1)
        nn.init.trunc_normal_(self.head.weight, mean=0.0, std=0.05)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc(x).relu() * self.gate(x).sigmoid())
