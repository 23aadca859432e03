"""Twenty tanh layers with random biases in the ordered phase."""

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
                nn.init.xavier_normal_(layer.weight)  # finding: far-from-edge-of-chaos
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))
