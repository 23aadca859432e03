"""Functions that can load, and are not asked to; one whose part is left alone."""

import torch
from torch import Tensor, nn


def init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)


def backbone_of(width: int, pretrained: bool = False) -> nn.Module:
    backbone = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
    if pretrained:
        backbone.load_state_dict(torch.load("backbone.pt"))
    return backbone


class Segmenter(nn.Module):
    def __init__(self, width: int = 32, classes: int = 10, checkpoint: str | None = None) -> None:
        super().__init__()
        self.backbone = backbone_of(width)
        self._load(None)
        self.head = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, classes, 1))
        self.apply(init_weights)
        self._load(checkpoint)
        self.head.apply(init_weights)

    def _load(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            self.backbone.load_state_dict(torch.load(checkpoint, map_location="cpu"))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x).relu())
