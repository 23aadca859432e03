"""How alike the largest of some numbers are to the largest of others that resemble them, against draws."""

from __future__ import annotations

import numpy as np
import pytest

from initlint.propagate.ops.reduce import in_common

DRAWN = 200_000


@pytest.mark.parametrize("alike", [0.0, 0.3, 0.8, 0.99, 1.0])
@pytest.mark.parametrize("count", [2, 5, 16])
def test_maxima_are_as_alike_as_drawn_ones(count: int, alike: float) -> None:
    """Correlations over 200000 pairs are right to 1/√200000, about 0.002."""
    generator = np.random.default_rng(0)
    first = generator.standard_normal((DRAWN, count))
    second = alike * first + np.sqrt(1 - alike**2) * generator.standard_normal((DRAWN, count))
    drawn = float(np.corrcoef(first.max(1), second.max(1))[0, 1])
    assert float(in_common(float(count), np.array(alike))) == pytest.approx(drawn, abs=0.01)


def test_inputs_become_alike_as_the_gradient_says() -> None:
    """Where two inputs differ by little, one piece is the largest for both: what tells them apart keeps 1 of the M_K that maxima have."""
    apart = 1e-6
    kept = 1 - float(in_common(4.0, np.array(1 - apart)))
    assert kept / apart == pytest.approx(1 / 0.4917, rel=0.01)  # 1/Var of the largest of four
