"""As deep with a trunk past the layers; as deep and wide; narrow and shallow; one narrow layer used many times."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Residual(nn.Module):
    def __init__(self, features: int = 20, width: int = 16, depth: int = 48, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Linear(features, width)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(depth)])
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = x + F.relu(layer(norm(x)))
        return self.head(self.norm(x))


class Stacked(nn.Module):
    def __init__(self, features: int, width: int, depth: int, classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Linear(features, width)]
        for _ in range(depth):
            layers += [nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, width)]
        self.body = nn.Sequential(*layers, nn.Linear(width, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Wide(Stacked):
    def __init__(self) -> None:
        super().__init__(20, 256, 24)


class Shallow(Stacked):
    def __init__(self) -> None:
        super().__init__(20, 16, 6)


class Repeated(nn.Module):
    """A state of sixteen numbers that one matrix renews at every step, each of which reads something new."""

    def __init__(self, features: int = 4, width: int = 16, steps: int = 32) -> None:
        super().__init__()
        self.steps, self.width = steps, width
        self.read = nn.Linear(features, width)
        self.renew = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2)
        nn.init.orthogonal_(self.renew.weight)

    def forward(self, series: Tensor) -> Tensor:
        """series: (batch, 32, 4)"""
        state = torch.zeros(series.shape[0], self.width)
        for step in range(self.steps):
            state = torch.tanh(self.norm(self.renew(state) + self.read(series[:, step])))
        return self.head(state)
