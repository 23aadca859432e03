"""Values made entry by entry from common parts, against Monte Carlo."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from initlint.propagate.axes import Axis
from initlint.propagate.known import from_array
from initlint.propagate.moments import Moments
from initlint.propagate.recipes import several
from tests.propagate.judged import FINITE_WIDTH, examined, net

VECTORS = torch.zeros(16, 64)
TOKENS = torch.zeros(4, 8, 64)
layer = partial(nn.Linear, 64, 64)


def average(m: Any, x: torch.Tensor) -> torch.Tensor:
    """A running average with weights e^key, kept in range by its running maximum (RWKV, the scalar memory of xLSTM)."""
    key, value = m.key(x), m.value(x)
    top, above, below = key[:, 0], value[:, 0], torch.ones_like(key[:, 0])
    outputs = [above / below]
    for t in range(1, x.shape[1]):
        new = torch.maximum(top - 0.5, key[:, t])
        old, fresh = torch.exp(top - 0.5 - new), torch.exp(key[:, t] - new)
        above, below, top = old * above + fresh * value[:, t], old * below + fresh, new
        outputs.append(above / below)
    return m.out(torch.stack(outputs, 1))


def written(m: Any, x: torch.Tensor) -> torch.Tensor:
    """A moving average of gated values, every step written into a tensor made before."""
    gate, value = torch.sigmoid(m.key(x)), m.value(x)
    result = torch.zeros_like(x)
    state = value[:, 0]
    for t in range(x.shape[1]):
        state = (1 - gate[:, t]) * state + gate[:, t] * torch.tanh(state + value[:, t])
        result[:, t] = state
    return m.out(result.mean(1))


def stable(m: Any, x: torch.Tensor) -> torch.Tensor:
    """The logarithm of a sum of two exponentials, written out."""
    a, b = m.key(x), m.value(x)
    top = torch.maximum(a, b)
    return m.out(top + torch.log(torch.exp(a - top) + torch.exp(b - top)))


CASES: dict[str, tuple[Callable[..., Any], torch.Tensor]] = {
    "a running average": (average, TOKENS), "states written into a tensor": (written, TOKENS), "log of a sum": (stable, VECTORS),
    "distance to the larger": (lambda m, x: m.out((lambda a, b: torch.maximum(a, b) - a)(m.key(x), m.value(x))), VECTORS),
    "share of the first": (lambda m, x: m.out((lambda a, b: a / (a + b))(m.key(x).exp(), m.value(x).exp())), VECTORS),
    "x where it is small, else another": (lambda m, x: m.out((lambda a, b: torch.where(a > 0.2, b, a))(m.key(x), m.value(x))), VECTORS),
    "maxout of a branch and a mixture": (lambda m, x: m.out((lambda a, b: torch.maximum(a, 0.6 * a + 0.5 * b))(m.key(x), m.value(x))),
                                         VECTORS),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_prediction_agrees_with_monte_carlo(name: str) -> None:
    """Second moments, means, pairs and gradients of every node."""
    run, x = CASES[name]
    found = examined(net(run, key=layer, value=layer, out=layer), (x,), draws=24, bits=FINITE_WIDTH, grad_bits=FINITE_WIDTH)
    assert not found.wrong, "\n".join(f"{r.node}: {text}" for r, text in found.wrong)


def test_moments_over_draws_are_the_average_of_those_of_each() -> None:
    """Groups along one axis included."""
    values = np.random.default_rng(1).standard_normal((5, 4, 6)) + 0.3
    dims = ((Axis(4),), (Axis(6, np.array([0, 1, 1, 0, 1, 1])),))
    together, each = from_array(values, dims, draws=True), [from_array(v, dims) for v in values]
    np.testing.assert_allclose(together.pair, np.mean([m.pair for m in each], axis=0))
    np.testing.assert_allclose(together.mean, np.mean([m.mean for m in each], axis=0))


def test_several_draws_have_the_moments_and_share_nothing() -> None:
    """A tensor with a mean and correlated entries; the tolerance is four deviations of the estimates."""
    x = Moments(((Axis(40),),), np.array([0.5]), np.array([1.25, 0.55]))
    count = 4000
    drawn = several(x, count, np.random.default_rng(2)).double().numpy()
    found = from_array(drawn, x.dims, draws=True)
    assert abs(found.mean[0] - 0.5) < 4 * np.sqrt(0.3175 / count)
    assert abs(found.pair[1] - 0.55) < 4 * np.sqrt(2 * 0.3**2 / count + 4 * 0.25 * 0.3175 / count) * 1.2
    shared = ((drawn[1:] - 0.5) * (drawn[:-1] - 0.5)).mean(1)
    assert abs(shared.mean()) < 4 * shared.std() / np.sqrt(count / 2)
