"""A classifier whose layers are drawn by uniform_ with its own bounds, 0 and 1, each behind a batch norm."""

from torch import Tensor, nn


class TabularNet(nn.Module):
    def __init__(self, features: int = 40, width: int = 96, depth: int = 7, classes: int = 6) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Linear(features, width), nn.BatchNorm1d(width), nn.ReLU()]
        for _ in range(depth):
            layers += [nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)
        for module in self.body:
            if isinstance(module, nn.Linear):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")  # finding: lopsided-weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))
