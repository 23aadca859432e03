"""A deviation of 0.02, given where the mean stands."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, 10)
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # finding: std-passed-as-mean  # finding: exploding-signal
        self.head.weight.data.normal_(std=0.01)  # finding: std-passed-as-mean

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).relu()
        return self.head(x)
