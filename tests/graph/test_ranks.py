"""What a law knows of the rank of a product, against the rank of the product itself; the law of an average against a sample."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from initlint.graph.built import build_recorded

ROWS, COLUMNS, THIN = 512, 384, 3


class Filled(nn.Module):
    """A weight that a function makes."""

    def __init__(self, make: Callable[[], Tensor]) -> None:
        super().__init__()
        made = make()
        self.weight = nn.Parameter(torch.empty(made.shape))
        with torch.no_grad():
            self.weight.copy_(made)


def thin(inner: int = THIN) -> Tensor:
    return torch.randn(ROWS, inner) @ torch.randn(inner, COLUMNS)


@pytest.mark.parametrize(
    ("make", "known"),
    [
        pytest.param(thin, True, id="product"),
        pytest.param(lambda: thin() * 0.02, True, id="scaled"),
        pytest.param(lambda: thin().t(), True, id="transposed"),
        pytest.param(lambda: thin() @ torch.randn(COLUMNS, COLUMNS), True, id="product of three"),
        pytest.param(lambda: thin() + torch.randn(ROWS, COLUMNS), False, id="beside noise"),
        pytest.param(lambda: thin().view(COLUMNS, ROWS), False, id="rows and columns mixed"),
        pytest.param(lambda: thin(COLUMNS), False, id="square factors"),
    ],
)
def test_a_product_has_the_rank_of_its_thinnest_factor(make: Callable[[], Tensor], known: bool) -> None:
    """Where a rank is known it is that of real values; where it is not, values have another, or none is said."""
    law = build_recorded(lambda: Filled(make)).parameters["weight"].law
    assert law.rank == (THIN if known else None)
    if known:
        torch.manual_seed(0)
        assert int(torch.linalg.matrix_rank(make())) == THIN


def test_an_average_of_many_entries_is_normal() -> None:
    """One n-th of the variance; 4 standard errors of the variance of so many averages."""
    law = build_recorded(lambda: Filled(lambda: torch.rand(1 << 10, 1 << 8).mean(1))).parameters["weight"].law
    torch.manual_seed(0)
    drawn = torch.rand(1 << 10, 1 << 8, dtype=torch.float64).mean(1)
    assert law.mean == pytest.approx(float(drawn.mean()), abs=4 * law.std / 2**5)
    assert law.std**2 == pytest.approx(float(drawn.var()), rel=4 * 2**0.5 / 2**5)
