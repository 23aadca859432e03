"""Only what is new is initialized, or everything where nothing was loaded."""

import torch
from torch import Tensor, nn


def init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)


class Backbone(nn.Module):
    def __init__(self, width: int, checkpoint: str | None = None) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, width, 3, padding=1)
        self.apply(init_weights)
        if checkpoint:
            self.load_state_dict(torch.load(checkpoint))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.body(self.stem(x).relu()).relu()).relu()


class Segmenter(nn.Module):
    def __init__(self, width: int = 32, classes: int = 10, checkpoint: str | None = None) -> None:
        super().__init__()
        self.backbone = Backbone(width)
        if checkpoint:
            self.backbone.load_state_dict(torch.load(checkpoint))
        self.head = nn.Conv2d(width, classes, 1)
        self.head.apply(init_weights)
        nn.init.kaiming_normal_(self.backbone.last.weight, nonlinearity="relu")
        if not checkpoint:
            self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x))
