"""Enlargements by a known kernel: channel by channel, in groups; a mean over channels that random weights read,
one that is subtracted, and a sum of one output."""

import torch
from torch import Tensor, nn

SIDE = torch.tensor([0.25, 0.75, 0.75, 0.25])


class Net(nn.Module):
    def __init__(self, classes: int = 6) -> None:
        super().__init__()
        self.grey = nn.Conv2d(3, 3, 1, bias=False)
        self.mean = nn.Linear(16, 2, bias=False)
        self.read = nn.Linear(2, classes)
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU())
        self.score = nn.Conv2d(16, classes, 1)
        self.larger = nn.ConvTranspose2d(classes, classes, 4, 2, 1, bias=False)
        self.again = nn.ConvTranspose2d(classes, classes, 4, 2, 1, groups=classes, bias=False)
        self.weigh = nn.ConvTranspose2d(classes, 1, 4, 2, 1, bias=False)
        self.average = nn.Linear(classes, classes, bias=False)
        with torch.no_grad():
            self.average.weight.copy_(torch.arange(1.0, classes + 1).div(21).expand(classes, classes))
            self.grey.weight.copy_(torch.tensor([0.3, 0.6, 0.1]).view(1, 3, 1, 1).expand(3, 3, 1, 1))
            self.mean.weight.copy_(torch.linspace(0, 1, 16).expand(2, 16))
            self.larger.weight.zero_()
            self.larger.weight[range(classes), range(classes)] = torch.outer(SIDE, SIDE)
            self.again.weight.copy_(torch.outer(SIDE, SIDE).expand(classes, 1, 4, 4))
            self.weigh.weight.copy_(torch.outer(SIDE, SIDE).expand(classes, 1, 4, 4))
        for layer in (self.grey, self.mean, self.average, self.larger, self.again, self.weigh):
            layer.weight.requires_grad_(False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.body(self.grey(image))
        maps = self.again(self.larger(self.score(x)))
        scores = self.read(self.mean(x.mean((2, 3))))
        return maps, self.weigh(maps), scores - self.average(scores)
