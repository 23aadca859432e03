"""A thousand classes told apart by eight numbers."""

from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 256, classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Linear(128, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.squeeze = nn.Linear(width, 8)  # finding: narrow-bottleneck
        self.head = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.squeeze(self.features(x)).relu())
