"""Seven ReLU layers as PyTorch starts them: nearly all of the logits is the same for every input."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(7))  # finding: guessed-class
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x)
