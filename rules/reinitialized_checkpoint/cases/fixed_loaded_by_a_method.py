"""A method loads the backbone, and then everything below the model is initialized."""

import torch
from torch import Tensor, nn


class Segmenter(nn.Module):
    def __init__(self, width: int = 32, classes: int = 10, checkpoint: str | None = None) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
        self.head = nn.Conv2d(width, classes, 1)
        self.apply(self._init_weights)  # finding: reinitialized-checkpoint
        self._load(checkpoint)

    def _load(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            self.backbone.load_state_dict(torch.load(checkpoint, map_location="cpu"))

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x).relu())
