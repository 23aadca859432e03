"""Seven ReLU layers as nn.Linear starts them: at the end biases are nearly all there is."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64, depth: int = 7) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Linear(width, width), nn.ReLU()]  # finding: collapsing-correlation
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, 10)
        for layer in self.body:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))
