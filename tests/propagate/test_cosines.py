"""Softmax of cosines: participation and pullback factor against draws of vectors of one length."""

from __future__ import annotations

import numpy as np
import pytest

from initlint.propagate.ops.attention import participation

DRAWS = 40_000
INTERPOLATED = (
    0.02  # of the table between the variances at which the integrals are known (as in test_logits); twice for a product
)


@pytest.mark.parametrize(
    ("dimensions", "entries", "variance"), [(4, 16, 1.0), (8, 16, 1.0), (8, 64, 4.0), (32, 64, 1.0), (32, 16, 9.0)]
)
def test_a_softmax_of_cosines_is_less_sharp_than_one_of_gaussians(dimensions: int, entries: int, variance: float) -> None:
    """P₂ and E Σ p²(1 − 2p + Σp²)/(P₂ − P₂²) for logits s√d cos θ, from random directions."""
    random = np.random.default_rng(dimensions * entries)
    keys = random.standard_normal((DRAWS, entries, dimensions))
    cosines = keys[..., 0] / np.linalg.norm(keys, axis=-1)  # the query's direction is as good as any
    logits = np.sqrt(variance * dimensions) * cosines
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    squares = (weights**2).sum(-1)
    back = (weights**2 * (1.0 - 2.0 * weights + squares[:, None])).sum(-1)
    second, factor = (float(x) for x in participation(np.array(float(entries)), np.array(variance), dimensions))
    chance = 5.0 * squares.std() / np.sqrt(DRAWS)
    assert abs(second - squares.mean()) < chance + INTERPOLATED * squares.mean()
    chance = 5.0 * back.std() / np.sqrt(DRAWS)
    assert abs(factor * (second - second**2) - back.mean()) < chance + 2 * INTERPOLATED * back.mean()
    assert second < float(participation(np.array(float(entries)), np.array(variance))[0])
