"""The same net with its skips scaled down towards the inside, and one that concatenates and normalizes."""

import torch
from torch import Tensor, nn


class Scaled(nn.Module):
    def __init__(self, width: int = 128, depth: int = 8) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(depth))
        self.up = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(depth))
        for layer in (*self.down, *self.up):
            nn.init.orthogonal_(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for layer in self.down:
            skips.append(x)
            x = layer(x)
        for number, layer in enumerate(self.up):
            x = layer(x) + 0.5 ** (len(self.up) - number) * skips.pop()
        return x


class Concatenated(nn.Module):
    def __init__(self, width: int = 128, depth: int = 6) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.up = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(depth))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for layer in self.down:
            skips.append(x)
            x = torch.tanh(layer(x))
        for layer, norm in zip(self.up, self.norms, strict=True):
            x = norm(layer(torch.cat([x, skips.pop()], 1)).relu())
        return x
