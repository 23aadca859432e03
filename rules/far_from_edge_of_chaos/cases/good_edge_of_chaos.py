"""Twenty tanh layers on the edge of chaos: gain 1.30 with biases of 0.195 (docs/theory, section 13.2)."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 128, depth: int = 20) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Linear(width, width), nn.Tanh()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, 10)
        for layer in self.body:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight, gain=1.299)
                nn.init.normal_(layer.bias, std=0.195)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))
