"""Products of unnormalized keys and values, summed over a long sequence under autocast."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 128, classes: int = 5) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.pair = nn.Linear(width, 2 * width, bias=False)
        nn.init.normal_(self.pair.weight, std=4.0)  # finding: half-precision-overflow
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.float16):
            k, v = self.pair(self.norm(x)).chunk(2, -1)
            state = k.square().transpose(1, 2) @ v
            return self.head(state.float().mean(1))
