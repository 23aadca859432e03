"""Prototypes of speakers drawn from N(0, 1) behind a layer norm: logits as wide as the root of their length."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Speakers(nn.Module):
    def __init__(self, features: int = 80, width: int = 256, speakers: int = 1251) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, width), nn.LayerNorm(width))
        self.prototypes = nn.Parameter(torch.randn(speakers, width))  # finding: oversized-logits

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.body(x), self.prototypes)
