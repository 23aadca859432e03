"""A trained copy of a frozen encoder, and of a prototype that is kept and not called: silent. No note is meant here, either."""

import copy

from torch import Tensor, nn


def quiet(width: int) -> nn.Linear:
    layer = nn.Linear(width, width)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class Controlled(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)).requires_grad_(False)
        self.control = copy.deepcopy(self.encoder).requires_grad_(True)
        self.join = quiet(width)
        self.prototype = nn.Linear(width, width)
        self.middle = copy.deepcopy(self.prototype)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = self.encoder(x) + self.join(self.control(x))
        return self.head(self.middle(y).relu())
