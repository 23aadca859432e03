"""Built on meta and given memory afterwards: frequencies and a scale were computed once, and nobody computes them again."""

import torch
from torch import Tensor, nn


class Rotary(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        frequencies = 1.0 / 10000 ** (torch.arange(0, width, 2).float() / width)
        self.register_buffer("inv_freq", frequencies, persistent=False)  # finding: uninitialized-parameter

    def forward(self, x: Tensor) -> Tensor:
        angles = torch.outer(torch.arange(x.shape[1]).float(), self.inv_freq)
        return torch.cat([angles.cos(), angles.sin()], -1)


class LayerScale(nn.Module):
    def __init__(self, width: int, init_values: float = 1e-5) -> None:
        super().__init__()
        self.gamma = nn.Parameter(init_values * torch.ones(width))  # finding: uninitialized-parameter

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.rotary = Rotary(width)
        self.fc = nn.Linear(width, width)
        self.scale = LayerScale(width)
        self.head = nn.Linear(width, 10)

    def init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x + self.scale(self.fc(x) * self.rotary(x)))


def build() -> Net:
    with torch.device("cpu"):
        model = Net()
    model.init_weights()
    return model
