"""A function makes and loads the neck, and then everything below the model is initialized."""

import torch
from torch import Tensor, nn


def neck_of(width: int, checkpoint: str | None) -> nn.Module:
    neck = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1))
    if checkpoint is not None:
        neck.load_state_dict(torch.load(checkpoint, map_location="cpu"))
    return neck


def orthogonal(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.orthogonal_(module.weight)


class Coloured(nn.Module):
    def __init__(self, width: int = 32, checkpoint: str | None = None) -> None:
        super().__init__()
        self.neck = neck_of(width, checkpoint)
        self.head = nn.Conv2d(width, 3, 1)
        self.apply(orthogonal)  # finding: reinitialized-checkpoint

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.neck(x).relu())
