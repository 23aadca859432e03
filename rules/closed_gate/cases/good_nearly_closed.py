"""A gate that is nearly closed, one at zero (as in ReZero), a tanh of zero, and a clamp around its value."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, width), nn.Linear(width, width)
        self.fc3, self.fc4 = nn.Linear(width, width), nn.Linear(width, width)
        self.shut = nn.Parameter(torch.full((1,), -4.0))
        self.zero = nn.Parameter(torch.zeros(1))
        self.flat = nn.Parameter(torch.zeros(1))
        self.scale = nn.Parameter(torch.tensor(2.6592))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = x + torch.sigmoid(self.shut) * self.fc1(x)
        x = x + self.zero * self.fc2(x)
        x = x + torch.tanh(self.flat) * self.fc3(x)
        return self.head(self.fc4(x)) * self.scale.clamp(max=4.6052).exp()
