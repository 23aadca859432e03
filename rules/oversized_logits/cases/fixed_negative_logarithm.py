"""The logarithm of the temperature in place of that of its inverse: similarities are divided by fourteen."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Contrastive(nn.Module):
    def __init__(self, pixels: int = 128, words: int = 64, width: int = 64) -> None:
        super().__init__()
        self.image = nn.Linear(pixels, width)
        self.text = nn.Linear(words, width)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))  # finding: oversized-logits

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        image, text = F.normalize(self.image(image), dim=-1), F.normalize(self.text(text), dim=-1)
        return self.logit_scale.exp() * image @ text.t()
