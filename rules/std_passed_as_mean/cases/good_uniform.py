"""A table of decays between 0.1 and 1, which is no weight of a layer; both bounds given; and those of a convolution without any."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.empty(1, width))
        self.fc1 = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.fc2 = nn.Linear(width, 10)
        nn.init.uniform_(self.decay, 0.1)
        nn.init.uniform_(self.fc1.weight, -0.1, 0.1)
        nn.init.uniform_(self.fc2.weight, 0.1, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.norm(self.fc1(x * self.decay)).relu())
