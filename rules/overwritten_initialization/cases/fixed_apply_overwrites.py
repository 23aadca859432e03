"""A projection started at zero and a step-size bias, both overwritten by the model-wide apply."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, width)
        self.step = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)
        nn.init.zeros_(self.proj.weight)
        nn.init.constant_(self.step.bias, -4.6)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        return x + self.proj(self.fc(h).relu() * torch.sigmoid(self.step(h)))


class Net(nn.Module):
    def __init__(self, width: int = 64, depth: int = 2) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.head = nn.Linear(width, 10)
        self.apply(self._init_weights)
        for layer in self.blocks:
            nn.init.zeros_(layer.proj.weight)
        for layer in self.blocks:
            nn.init.constant_(layer.step.bias, -4.6)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)  # finding: overwritten-initialization
            nn.init.zeros_(module.bias)  # finding: overwritten-initialization

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(x)
