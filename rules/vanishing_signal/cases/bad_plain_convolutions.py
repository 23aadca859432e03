"""Twenty-four default convolutions without normalization."""

from torch import Tensor, nn


class PlainConv(nn.Module):
    def __init__(self, channels: int = 32, depth: int = 24) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        blocks = []
        for _ in range(depth):
            blocks.append(nn.Conv2d(channels, channels, 3, padding=1))  # finding: vanishing-signal
            blocks.append(nn.ReLU())
        self.body = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(self.stem(x))
        return self.head(x.mean((2, 3)))
