"""Narrow layers that are meant: codes, low-rank branches, gates, factorized heads that are wide enough."""

import torch
from torch import Tensor, nn


class Autoencoder(nn.Module):
    def __init__(self, width: int = 256, code: int = 8) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(784, width), nn.ReLU(), nn.Linear(width, code))
        self.decode = nn.Linear(code, 784)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class Decoder(nn.Module):
    """More is computed behind the code than classes."""

    def __init__(self, width: int = 256, code: int = 8) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(128, width), nn.ReLU(), nn.Linear(width, code))
        self.decode = nn.Sequential(nn.Linear(code, width), nn.ReLU(), nn.Linear(width, 1000))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class Adapted(nn.Module):
    """A low-rank update beside the head."""

    def __init__(self, width: int = 256, rank: int = 8, classes: int = 1000) -> None:
        super().__init__()
        self.enter = nn.Linear(128, width)
        self.head = nn.Linear(width, classes)
        self.down = nn.Linear(width, rank, bias=False)
        self.up = nn.Linear(rank, classes, bias=False)
        nn.init.zeros_(self.up.weight)
        self.head.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x).relu()
        return self.head(x) + self.up(self.down(x)) / 8


class Excited(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, width: int = 128, classes: int = 1000) -> None:
        super().__init__()
        self.enter = nn.Linear(64, width)
        self.squeeze = nn.Linear(width, 8)
        self.excite = nn.Linear(8, width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x).relu()
        return self.head(x * torch.sigmoid(self.excite(self.squeeze(x).relu())))


class Embedded(nn.Module):
    """Faces: many classes, and an embedding that has room for them."""

    def __init__(self, width: int = 2048, size: int = 64, classes: int = 5000) -> None:
        super().__init__()
        self.enter = nn.Linear(64, width)
        self.embed = nn.Linear(width, size)
        self.head = nn.Linear(size, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embed(self.enter(x).relu()))
