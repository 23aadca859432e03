"""Bilinear kernels for all pairs of classes: a small one, and one too large for its values to be kept."""

import torch
from torch import Tensor, nn


def bilinear(size: int) -> Tensor:
    center = (size - 1) / 2
    line = 1 - (torch.arange(size) - center).abs() / ((size + 1) // 2)
    return torch.outer(line, line)


class Net(nn.Module):
    def __init__(self, classes: int = 21) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU())
        self.score = nn.Conv2d(16, classes, 1)
        self.twice = nn.ConvTranspose2d(classes, classes, 4, stride=2, padding=1, bias=False)
        self.eight = nn.ConvTranspose2d(classes, classes, 16, stride=8, padding=4, bias=False)
        for layer in (self.twice, self.eight):
            kernel = bilinear(layer.kernel_size[0]) / classes
            layer.weight.data.copy_(kernel.expand_as(layer.weight))  # finding: symmetric-initialization

    def forward(self, image: Tensor) -> Tensor:
        return self.eight(self.twice(self.score(self.body(image))))
