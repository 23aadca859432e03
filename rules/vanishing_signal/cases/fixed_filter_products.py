"""Products of sines of the coordinates with linear maps that shrink; the filters' own start is the one that is meant."""

import torch
from torch import Tensor, nn


class FilterNet(nn.Module):
    def __init__(self, width: int = 128, depth: int = 24, scale: float = 32.0) -> None:
        super().__init__()
        self.filters = nn.ModuleList(nn.Linear(2, width) for _ in range(depth + 1))
        self.linears = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(depth))  # finding: vanishing-signal
        self.head = nn.Linear(width, 3)
        for part in self.filters:
            nn.init.uniform_(part.weight, -scale, scale)
            nn.init.uniform_(part.bias, -torch.pi, torch.pi)
        for layer in self.linears:
            nn.init.normal_(layer.weight, std=(2 / layer.in_features) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        z = torch.sin(self.filters[0](x))
        for linear, part in zip(self.linears, self.filters[1:], strict=True):
            z = linear(z) * torch.sin(part(x))
        return self.head(z)
