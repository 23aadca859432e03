"""Every matrix drawn for what it sums over; a convolution's fan_out is a choice."""

import torch
from torch import Tensor, nn


class Experts(nn.Module):
    def __init__(self, width: int = 64, hidden: int = 256, experts: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv1d(1, width, 3, padding=1)
        self.up = nn.Parameter(torch.empty(experts, width, hidden))
        self.down = nn.Parameter(torch.empty(hidden, width))
        nn.init.kaiming_normal_(self.stem.weight, mode="fan_out")
        with torch.no_grad():
            for matrix in self.up:
                nn.init.kaiming_normal_(matrix.T)
            nn.init.kaiming_normal_(self.down.T)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.unsqueeze(1)).mean(-1)
        hidden = torch.einsum("bd,edh->beh", x, self.up).relu().mean(1)
        return hidden @ self.down
