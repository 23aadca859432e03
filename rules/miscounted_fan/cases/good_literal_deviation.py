"""A deviation of 0.0625 for every layer: 1/sqrt(256) of one of them, by accident; and N(0, 1) of a single channel."""

from torch import Tensor, nn


class Scorer(nn.Module):
    def __init__(self, seen: int = 32, labels: int = 3) -> None:
        super().__init__()
        self.wide = nn.Linear(seen, 256)
        self.narrow = nn.Linear(256, 48)
        self.head = nn.Linear(48, labels)
        for module in (self.wide, self.narrow):
            nn.init.normal_(module.weight, std=0.0625)
            nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.narrow(self.wide(x).relu()).relu())


class Spectra(nn.Module):
    def __init__(self, width: int = 16, labels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv1d(1, width, 7, padding=3)
        self.conv = nn.Conv1d(width, width, 7, padding=3)
        self.head = nn.Linear(width, labels)
        nn.init.normal_(self.stem.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, 1, 128)"""
        return self.head(self.conv(self.stem(x).relu()).relu().mean(2))
