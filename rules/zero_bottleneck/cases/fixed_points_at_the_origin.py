"""A predicted rotation that starts as the matrix of zeros: every point of every cloud is moved to the origin."""

from torch import Tensor, nn


class Rotation(nn.Module):
    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.look = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.matrix = nn.Linear(width, 9)
        nn.init.kaiming_normal_(self.matrix.weight, nonlinearity="linear")  # finding: zero-bottleneck
        nn.init.constant_(self.matrix.bias, 0.0)

    def forward(self, points: Tensor) -> Tensor:
        return self.matrix(self.look(points).mean(1)).unflatten(-1, (3, 3))


class Cloud(nn.Module):
    def __init__(self, width: int = 96, labels: int = 12) -> None:
        super().__init__()
        self.rotation = Rotation()
        self.each = nn.Sequential(
            nn.Conv1d(3, width, 1),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width, 1),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        )
        self.head = nn.Linear(width, labels)

    def forward(self, points: Tensor) -> Tensor:
        """points: (batch, 60, 3)."""
        turned = points @ self.rotation(points)
        return self.head(self.each(turned.transpose(1, 2)).amax(-1))
