"""Draws other than normal and uniform ones, and what signs and masks are made from: recorded law against the real tensor."""

import math

import pytest
import torch
from torch import nn

from initlint.graph.built import build_recorded

SHAPE = (400, 500)  # large enough to go to the meta device
DRAWS = {
    "bernoulli_": lambda: torch.empty(SHAPE).bernoulli_(0.3),
    "signs": lambda: torch.empty(SHAPE).bernoulli_(0.5).mul_(2).add_(-1),
    "bernoulli of a tensor": lambda: torch.bernoulli(torch.full(SHAPE, 0.2)),
    "exponential_": lambda: torch.empty(SHAPE).exponential_(2.0),
    "random_": lambda: torch.empty(SHAPE).random_(2, 7),
    "randint": lambda: torch.randint(0, 3, SHAPE).float(),
    "signs by where": lambda: torch.where(torch.rand(SHAPE) < 0.5, 1.0, -1.0),
    "a sparse normal": lambda: torch.randn(SHAPE) * (torch.rand(SHAPE) < 0.1),
}


class Holder(nn.Module):
    def __init__(self, draw) -> None:
        super().__init__()
        self.weight = nn.Parameter(draw())


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_a_draw_has_the_moments_of_its_law(draw) -> None:
    law = build_recorded(lambda: Holder(draw), roots=()).parameters["weight"].law
    torch.manual_seed(0)
    real = draw().double()
    # five standard errors of the real tensor, and of the sample of 2**16 entries that a function of a draw is known from
    sampled = math.sqrt(1 / real.numel() + 1 / 2**16)
    for predicted, values in ((law.mean, real), (law.second_moment, real**2)):
        assert predicted == pytest.approx(float(values.mean()), abs=5 * float(values.std()) * sampled + 1e-12)
