"""A norm over groups some of which are exactly zero."""

import math

import torch
from torch import Tensor, nn

import initlint


class Groups(nn.Module):
    """A third of the groups of the norm are zeros, and the others have few directions: those of a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 64, 3, padding=1)
        nn.init.zeros_(self.first.weight)
        nn.init.zeros_(self.first.bias)
        self.second = nn.Sequential(nn.Conv2d(64, 128, 1), nn.Upsample(scale_factor=2.0), nn.Conv2d(128, 128, 3, padding=1))
        self.norm = nn.GroupNorm(32, 192)
        self.last = nn.Conv2d(192, 3, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        first = self.first(image)
        return self.last(
            self.norm(torch.cat([self.second(first), nn.functional.interpolate(first, scale_factor=2.0)], 1)).relu()
        )


def test_groups_of_zeros_leave_the_moments_of_the_others_finite():
    analysis = initlint.analyze(Groups, [torch.randn(4, 3, 16, 16)])
    norm = next(signal for name, signal in analysis.signals.items() if name.startswith("group_norm"))
    assert norm.second_moment is not None
    assert 0.5 < norm.second_moment < 0.7  # close to one in two thirds of the channels, zero in the others
    assert all(s.second_moment is not None and math.isfinite(s.second_moment) for s in analysis.signals.values())
