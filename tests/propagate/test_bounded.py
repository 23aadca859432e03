"""Tensors and products with too many groups keep their averages when the most alike are averaged."""

import numpy as np
import pytest

from initlint.propagate.axes import Axis
from initlint.propagate.moments import Moments
from initlint.propagate.ops import matrix
from initlint.propagate.ops.gather import bounded

GROUPS, SIZE = 6, 24


def striped(seed: int) -> Moments:
    """Two axes of six groups each, every group with a deviation of its own; entries are independent."""
    scale = np.random.default_rng(seed).uniform(0.5, 2.0, (GROUPS, GROUPS))
    axis = Axis(SIZE, np.arange(SIZE) % GROUPS, "feature")
    pair = np.zeros((axis.states, axis.states))
    pair[:GROUPS, :GROUPS] = scale**2
    return Moments(((axis,), (axis,)), np.zeros((GROUPS, GROUPS)), pair)


def test_fewer_groups_have_the_same_averages() -> None:
    """A mean over groups is what it was, whichever are averaged: E[x²] is linear in the cells."""
    x = striped(0)
    small = bounded(x, 100)
    assert small.pair.size <= 100 < x.pair.size
    assert small.q == pytest.approx(x.q, rel=1e-12)


def test_a_product_has_the_averages_of_its_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """E[Σ_b x²_ab y²_bc] group by group; with one group an axis it is n E[x²] E[y²], without the covariance over b."""
    x, y = striped(1), striped(2)
    whole = matrix.contract(x, y, "ab", "bc", "ac")
    exact = SIZE * np.mean(x.cells.mean(0) * y.cells.mean(1))
    assert whole.q == pytest.approx(exact, rel=1e-12)
    monkeypatch.setattr(matrix, "PRODUCTS", 1)
    one = matrix.contract(x, y, "ab", "bc", "ac")
    assert one.pair.size < whole.pair.size
    assert one.q == pytest.approx(SIZE * x.q * y.q, rel=1e-12)
