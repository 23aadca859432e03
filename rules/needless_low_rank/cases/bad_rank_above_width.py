"""One rank for all layers, above the width of the smaller ones: a note."""

from torch import Tensor, nn


class Adapted(nn.Module):
    def __init__(self, fan_in: int, fan_out: int, rank: int = 64, alpha: float = 16.0) -> None:
        super().__init__()
        self.base = nn.Linear(fan_in, fan_out).requires_grad_(False)
        self.down = nn.Linear(fan_in, rank, bias=False)  # finding: needless-low-rank
        self.up = nn.Linear(rank, fan_out, bias=False)
        nn.init.normal_(self.down.weight, std=fan_in**-0.5)
        nn.init.zeros_(self.up.weight)
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.up(self.down(x)) * self.scale


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.ModuleList([Adapted(64, 64), Adapted(64, 16)])
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.tower:
            x = layer(x).relu()
        return self.head(x)
