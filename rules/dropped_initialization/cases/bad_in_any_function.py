"""A bias that is made and dropped, in a function whose name says little."""

import torch
from torch import Tensor, nn


def closed(gate: nn.Linear, value: float = -2.0) -> None:
    nn.init.xavier_uniform_(gate.weight)
    with torch.no_grad():
        torch.full_like(gate.bias, value)  # finding: dropped-initialization


class Highway(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.layer, self.gate = nn.Linear(width, width), nn.Linear(width, width)
        self.head = nn.Linear(width, 10)
        closed(self.gate)

    def forward(self, x: Tensor) -> Tensor:
        open_by = self.gate(x).sigmoid()
        return self.head(open_by * self.layer(x).relu() + (1 - open_by) * x)
