"""A placeholder that the class itself replaces, a layer scale that keeps its value, a zero set after the general start."""

import torch
from torch import Tensor, nn


class Scaled(nn.Module):
    def __init__(self, width: int, init_values: float = 1e-5) -> None:
        super().__init__()
        self.init_values = init_values
        self.mix = nn.Parameter(torch.randn(width, width) * 0.5)
        self.gamma = nn.Parameter(torch.full((width,), init_values))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.orthogonal_(self.mix)
        nn.init.constant_(self.gamma, self.init_values)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gamma * (x @ self.mix)


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.body = Scaled(width)
        self.out = nn.Linear(width, width)
        self.head = nn.Linear(width, 10)
        for module in (self.out, self.head):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        return self.head(x + self.out(x.relu()))
