"""Built on meta: every module that has values of its own writes them again."""

import torch
from torch import Tensor, nn


class LayerScale(nn.Module):
    def __init__(self, width: int, init_values: float = 1e-5) -> None:
        super().__init__()
        self.init_values = init_values
        self.gamma = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.gamma, self.init_values)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, width)
        self.scale = LayerScale(width)
        self.head = nn.Linear(width, 10)

    def init_weights(self) -> None:
        for module in self.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x + self.scale(self.fc(self.norm(x))))


def build() -> Net:
    with torch.device("meta"):
        model = Net()
    model.to_empty(device="cpu")
    model.init_weights()
    return model
