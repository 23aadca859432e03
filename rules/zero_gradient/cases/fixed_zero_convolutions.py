"""Two zero convolutions in series, made by one helper."""

from torch import Tensor, nn


def zero_module(module: nn.Module) -> nn.Module:
    for p in module.parameters():
        p.detach().zero_()
    return module


class Control(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.hint = nn.Sequential(nn.Conv2d(3, width, 3), nn.SiLU(), zero_module(nn.Conv2d(width, width, 3, bias=False)))
        self.out = zero_module(nn.Conv2d(width, width, 1))  # finding: zero-gradient
        nn.init.kaiming_normal_(self.hint[2].weight, nonlinearity="linear")

    def forward(self, hint: Tensor) -> Tensor:
        return self.out(self.hint(hint))


class Net(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3)
        self.control = Control(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor, hint: Tensor) -> Tensor:
        x = self.stem(x).mean((2, 3)) + self.control(hint).mean((2, 3))
        return self.head(x)
