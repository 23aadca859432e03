"""Results that nobody keeps, and a method that is named and not called."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, 10)
        self.init_weights()  # finding: dropped-initialization
        with torch.no_grad():
            self.fc2.weight.mul_(0.1)  # finding: dropped-initialization
        nn.init.zeros_(self.fc2.bias)  # finding: dropped-initialization

    def init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                module.bias.data.fill_(0.0)  # finding: dropped-initialization

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).relu())
