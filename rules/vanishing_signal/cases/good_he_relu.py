"""The same depth with He weights keeps its signal; a small head is a choice."""

from torch import Tensor, nn


class DeepMLP(nn.Module):
    def __init__(self, width: int = 256, depth: int = 30, classes: int = 10) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        self.head = nn.Linear(width, classes)
        nn.init.normal_(self.head.weight, std=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).relu()
        return self.head(x)
