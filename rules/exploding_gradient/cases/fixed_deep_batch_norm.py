"""Fifty plain layers with batch norm: the forward pass is perfect, gradients grow 1.2x per layer backwards."""

from torch import Tensor, nn


class Deep(nn.Module):
    def __init__(self, width: int = 128, depth: int = 50) -> None:
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))  # finding: exploding-gradient
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(depth))
        self.head = nn.Linear(width, 10)
        for layer in self.norms:
            nn.init.constant_(layer.bias, 2.0)

    def forward(self, x: Tensor) -> Tensor:
        for linear, norm in zip(self.linears, self.norms):
            x = norm(linear(x)).relu()
        return self.head(x)
