"""Logarithms of softmax against sampling, from alike logits to logits of which one is all."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from initlint.propagate.ops.logits import logarithm_of_sum, variance_of_largest
from tests.propagate.structures import Structure, Table, disagreements

TABLE = Table()
VECTORS = torch.zeros(64, 48)


class Head(nn.Module):
    """Log-probabilities of `classes` from logits of this standard deviation."""

    classes, scale = 10, 1.0

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(48, self.classes, bias=False)
        nn.init.normal_(self.out.weight, std=self.scale / math.sqrt(48))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log_softmax(self.out(x), dim=-1)


for classes, scale in ((7, 0.3), (7, 3.0), (7, 30.0), (100, 1.0), (100, 6.0)):
    TABLE.add(
        f"{classes} classes, logits of {scale}", type("Head", (Head,), {"classes": classes, "scale": scale}), VECTORS, draws=24
    )


@pytest.mark.parametrize("row", TABLE.parametrized())
def test_log_probabilities_agree_with_real_initializations(row: Structure) -> None:
    assert not disagreements(row), disagreements(row)


@pytest.mark.parametrize(("count", "scale"), [(2, 0.5), (7, 0.3), (7, 3.0), (50, 1.0), (1000, 2.0)])
def test_the_logarithm_of_a_sum_has_its_mean_and_participation(count: int, scale: float) -> None:
    """E[L] is an integral of participations, exactly; the table of these is interpolated to two per cent."""
    draws = 40_000_000 // (count * 40)
    logits = torch.randn(draws, count, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * scale
    sums, shares = logits.logsumexp(1), (logits.softmax(1) ** 2).sum(1)
    mean, _, share = logarithm_of_sum(count, scale**2)
    assert mean == pytest.approx(float(sums.mean()), abs=4 * float(sums.std()) / math.sqrt(draws) + 0.002 * scale**2)
    assert share == pytest.approx(float(shares.mean()), rel=0.02)


@pytest.mark.parametrize(
    ("count", "exact"), [(1, 1.0), (2, 1 - 1 / math.pi), (3, (4 * math.pi - 9 + 2 * math.sqrt(3)) / (4 * math.pi))]
)
def test_the_largest_of_few_normal_numbers_varies_as_known(count: int, exact: float) -> None:
    assert np.isclose(variance_of_largest(count), exact, rtol=1e-6)
