"""A tensor times itself against draws, and the counts of coincidences that its pair moments are averages over."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from initlint.propagate.axes import Axis, state_of
from initlint.propagate.ops.grams import meetings
from tests.propagate.judged import examined, net

LAWS = ((0.0, 1.0, 0.0), (0.7, 1.0, 0.0), (-0.5, 0.8, 0.3))


@pytest.mark.parametrize(
    "product",
    [
        lambda x: x @ x.mT,
        lambda x: x.mT @ (x / 3),
        lambda x: torch.einsum("bij,bkj->ik", x, x),
        lambda x: (lambda q: q @ q.mT)(torch.cat([x[:, :4], 2 * x[:, 4:]], 1)),
        lambda x: nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True),
    ],
    ids=["rows", "columns, scaled", "summed over samples", "rows of two sizes", "causal attention"],
)
def test_a_product_with_itself_agrees_with_draws(product):
    """Mean, second moment, pair moments and the gradient, with and without a mean, correlated and not."""
    found = examined(net(lambda _m, x: product(x)), (torch.zeros(6, 12, 32),), laws=LAWS)
    assert not found.wrong, "\n".join(f"{row.node}: {text}" for row, text in found.wrong)


@pytest.mark.parametrize("labels", [None, [0, 0, 0, 1, 1], [0, 1, 1, 1, 1]], ids=["one group", "two groups", "a group of one"])
def test_coincidences_are_counted(labels):
    """The shares are those of all (i, i', j, j') of an axis of five."""
    axis = Axis(5, None if labels is None else np.array(labels))
    group = np.zeros(5, dtype=np.int64) if labels is None else np.array(labels)

    def state(i, j):
        return int(group[i]) if i == j else int(state_of(axis.groups, group[i], group[j]))

    straight, across = (np.zeros((axis.states,) * 4) for _ in range(2))
    for i, k, j, m in itertools.product(range(5), repeat=4):
        straight[state(i, k), state(j, m), state(i, j), state(k, m)] += 1
        across[state(i, k), state(j, m), state(i, m), state(j, k)] += 1
    for found, counted in zip(meetings(axis), (straight, across), strict=True):
        total = counted.sum((2, 3), keepdims=True)
        seen = np.broadcast_to(total > 0, counted.shape)
        np.testing.assert_allclose(found[seen], (counted / np.maximum(total, 1))[seen], atol=1e-12)
