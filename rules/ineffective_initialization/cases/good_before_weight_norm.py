"""The same weights, initialized before weight norm; a copy that is used; a head replaced after its initialization."""

import torch
from torch import Tensor, nn
from torch.nn.utils import weight_norm


class TemporalBlock(nn.Module):
    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        conv = nn.Conv1d(channels, channels, 3, padding=1)
        nn.init.normal_(conv.weight, 0, 0.1)
        self.conv = weight_norm(conv)
        self.head = nn.Linear(channels, 5)
        nn.init.normal_(self.head.weight, 0, 0.01)
        self.head = nn.Linear(channels, 10)
        start = nn.init.orthogonal_(torch.empty_like(self.head.weight))
        with torch.no_grad():
            noise = self.head.weight.clone().normal_(0, 0.01)
            self.head.weight.copy_(start + noise)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.conv(x)).mean(-1))
