"""A deviation of 0.02 for a truncated normal, given where its mean stands."""

from torch import Tensor, nn


def start(model: nn.Module, spread: float = 0.02) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=spread, a=-2 * spread, b=2 * spread)  # finding: std-passed-as-mean  # finding: exploding-signal
            nn.init.zeros_(module.bias)


class Net(nn.Module):
    def __init__(self, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, 10)
        start(self)
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).relu()
        return self.head(x)
