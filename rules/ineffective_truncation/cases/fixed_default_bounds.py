"""The default bounds, twenty deviations out: a note, neither warning nor error."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.head = nn.Linear(width, 10)
        nn.init.trunc_normal_(self.fc.weight, std=0.1, a=-0.2, b=0.2)  # finding: ineffective-truncation
        nn.init.trunc_normal_(self.head.weight, std=0.1, a=-0.2, b=0.2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc(x).relu())
