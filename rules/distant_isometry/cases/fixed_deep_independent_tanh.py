"""Forty tanh layers at their edge of chaos, with independent weights."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 128, depth: int = 40) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Linear(width, width), nn.Tanh()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, 10)
        for layer in self.body:
            if isinstance(layer, nn.Linear):
                nn.init.orthogonal_(layer.weight)  # finding: distant-isometry
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))
