"""A fixed enlargement: the kernel is assigned to every pair of channels, and each class gets the sum over all classes."""

import torch
from torch import Tensor, nn


def tent(size: int) -> Tensor:
    side = 1 - (torch.arange(size) - (size - 1) / 2).abs() / ((size + 1) // 2)
    return side[:, None] * side[None, :]


class Net(nn.Module):
    def __init__(self, classes: int = 6) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, classes, 1))
        self.larger = nn.ConvTranspose2d(classes, classes, 4, 2, 1, bias=False)
        self.larger.weight.data[:] = tent(4)  # finding: symmetric-initialization
        self.larger.weight.requires_grad = False

    def forward(self, image: Tensor) -> Tensor:
        return self.larger(self.body(image))
