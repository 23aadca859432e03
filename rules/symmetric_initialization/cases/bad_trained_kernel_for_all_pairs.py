"""The same kernel for all pairs of channels, which is trained: a start that no class can be told from another by."""

import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU())
        self.score = nn.Conv2d(16, classes, 1)
        side = torch.tensor([0.25, 0.75, 0.75, 0.25])
        self.larger = nn.ConvTranspose2d(classes, classes, 4, stride=2, padding=1, bias=False)
        with torch.no_grad():
            self.larger.weight.copy_(torch.outer(side, side).expand(classes, classes, 4, 4))  # finding: symmetric-initialization

    def forward(self, image: Tensor) -> Tensor:
        return self.larger(self.score(self.body(image)))
