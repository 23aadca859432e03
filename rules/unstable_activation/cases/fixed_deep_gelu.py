"""Fifty GELU layers whose weights keep a second moment of one at one: any other one they drive away."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 128, depth: int = 50) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Linear(64, width), nn.GELU()]
        for _ in range(depth):
            layers += [nn.Linear(width, width), nn.GELU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, 10)
        for layer in self.body:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=(1.98 / layer.in_features) ** 0.5)  # finding: unstable-activation
                nn.init.normal_(layer.bias, std=0.432)
        nn.init.normal_(self.body[0].weight, std=(3.81 / self.body[0].in_features) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))
