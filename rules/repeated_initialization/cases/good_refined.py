"""A general start, then a special one for the last layer; the sibling that is left has the general one."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Linear(width, width)
        self.mean = nn.Linear(width, 4)
        self.spread = nn.Linear(width, 4)
        for module in self.children():
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        nn.init.normal_(self.mean.weight, std=0.01)
        nn.init.zeros_(self.mean.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(x).tanh()
        return self.mean(x), self.spread(x)
