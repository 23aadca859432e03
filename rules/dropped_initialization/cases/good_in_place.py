"""Written in place, or kept."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, 10)
        with torch.no_grad():
            self.fc2.weight.mul_(0.1)
            self.fc1.weight.copy_(self.fc1.weight.mul(0.5))
        self.fc2.bias.data = torch.zeros_like(self.fc2.bias)
        self.init_weights()

    def init_weights(self) -> None:
        nn.init.kaiming_normal_(self.fc1.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).relu())
