"""Frequencies of a noise level that are not trained, and were meant to be drawn at random."""

import torch
from torch import Tensor, nn


class Level(nn.Module):
    def __init__(self, waves: int, width: int) -> None:
        super().__init__()
        self.waves = nn.Parameter(torch.zeros(waves), requires_grad=False)  # finding: cut-off-input
        nn.init.normal_(self.waves)
        self.mix = nn.Linear(2 * waves, width)

    def forward(self, level: Tensor) -> Tensor:
        angle = level.unsqueeze(-1) * self.waves
        return self.mix(torch.cat([angle.sin(), angle.cos()], -1))


class Denoiser(nn.Module):
    def __init__(self, seen: int = 12, width: int = 64) -> None:
        super().__init__()
        self.level = Level(16, width)
        self.enter = nn.Linear(seen, width)
        self.inner = nn.Linear(width, width)
        self.leave = nn.Linear(width, seen)

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        """x: (batch, 12); sigma: (batch,)."""
        x = torch.relu(self.enter(x) + self.level(sigma))
        return self.leave(torch.relu(self.inner(x)))
