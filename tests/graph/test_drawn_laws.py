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


def _into(name, *args):
    values = torch.randn(SHAPE)
    getattr(values, name)(*args)
    return values


def _put(indices, value=0.0):
    values = torch.randn(SHAPE)
    values[indices(values)] = value
    return values


def _connected(rows, columns, count):
    """A mask of `count` random ones in each row, written row by row, small enough to be there."""
    mask = torch.zeros(rows, columns)
    for row in range(rows):
        mask[row, torch.randperm(columns)[:count]] = 1
    return mask


WRITTEN = {
    "columns by index": lambda: _put(lambda w: (slice(None), torch.randperm(500)[:50])),
    "a column of other numbers": lambda: _put(lambda w: (slice(None), torch.tensor([3])), 20.0),
    "an index named twice": lambda: _put(lambda w: torch.zeros(300, dtype=torch.long)),
    "by a mask of its own": lambda: _put(lambda w: w > 0),
    "by another's mask": lambda: _put(lambda w: torch.rand(SHAPE) > 0.9),
    "index_fill_": lambda: _into("index_fill_", 1, torch.arange(50), 0.0),
    "index_copy_": lambda: _into("index_copy_", 1, torch.arange(50), torch.zeros(400, 50)),
    "masked_fill_": lambda: _into("masked_fill_", torch.rand(SHAPE) > 0.9, 0.0),
    "scatter_": lambda: _into("scatter_", 1, torch.randint(0, 500, (400, 50)), 3.0),
    "a mask by rows": lambda: _connected(40, 30, 8),
    "rows of a table": lambda: torch.empty(1000, 500).normal_(0.1, 0.3)[torch.randperm(1000)[:400]],
    "rows looked up": lambda: nn.functional.embedding(torch.randint(0, 1000, (400,)), torch.empty(1000, 500).uniform_(-1, 2)),
    "columns selected": lambda: torch.empty(400, 900).normal_(std=0.2).index_select(1, torch.arange(500)),
}


@pytest.mark.parametrize("draw", WRITTEN.values(), ids=WRITTEN.keys())
def test_what_is_written_by_index_changes_the_law(draw) -> None:
    recorded = build_recorded(lambda: Holder(draw), roots=()).parameters["weight"].law
    torch.manual_seed(0)
    real = draw().double()
    # the law may be measured from a draw of its own
    for predicted, values in ((recorded.mean, real), (recorded.second_moment, real**2)):
        assert predicted == pytest.approx(
            float(values.mean()), abs=5 * float(values.std()) * math.sqrt(2 / real.numel()) + 1e-12
        )


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


def _steps_of_time(n: int) -> torch.Tensor:
    """Biases whose softplus is between 0.001 and 0.1, evenly in its logarithm (Gu & Dao 2023)."""
    step = torch.exp(torch.rand(n) * math.log(100) + math.log(0.001))
    return step + torch.log(-torch.expm1(-step))


def test_a_short_vector_of_functions_of_draws_has_the_law_of_a_long_one() -> None:
    law = build_recorded(lambda: Holder(lambda: _steps_of_time(8)), roots=()).parameters["weight"].law
    torch.manual_seed(0)
    count = 1 << 16
    real = _steps_of_time(count).double()
    for predicted, values in ((law.mean, real), (law.second_moment, real**2)):
        assert predicted == pytest.approx(float(values.mean()), abs=5 * float(values.std()) * math.sqrt(2 / count))
    squares = nn.functional.softplus(torch.tensor(law.quantiles, dtype=torch.float64)).square()
    real_squares = nn.functional.softplus(real).square()
    # its quantiles are as many entries, evenly drawn, so that they err less than as many random ones
    assert float(squares.mean()) == pytest.approx(
        float(real_squares.mean()), abs=5 * float(real_squares.std()) / math.sqrt(len(law.quantiles))
    )
