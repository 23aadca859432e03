"""All layers start as products of thin random matrices: three directions of 128 pass."""

import torch
from torch import nn


class Surrogate(nn.Module):
    """32 parameters of a simulation → 12 observables."""

    def __init__(self, inputs: int = 32, width: int = 128, depth: int = 4, outputs: int = 12, modes: int = 3):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width if n else inputs, width) for n in range(depth)])
        self.head = nn.Linear(width, outputs)
        for layer in self.layers:
            smooth = torch.randn(width, modes) @ torch.randn(modes, layer.in_features)
            with torch.no_grad():
                layer.weight.copy_(smooth * (2.0 / (modes * layer.in_features)) ** 0.5)  # finding: rank-deficient-weight
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x)


if __name__ == "__main__":
    print(Surrogate()(torch.randn(16, 32)).shape)
