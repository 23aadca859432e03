"""The rank bound: never below the true rank of the Jacobian, and at it where a bottleneck decides."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.propagate import propagate
from tests.propagate.judged import net


def zeroed() -> nn.Linear:
    layer = nn.Linear(12, 12)
    nn.init.zeros_(layer.weight)
    return layer


def constant() -> nn.Linear:
    layer = nn.Linear(12, 12)
    nn.init.constant_(layer.weight, 0.3)
    return layer


def one_row() -> nn.Linear:
    layer = nn.Linear(12, 12)
    with torch.no_grad():
        layer.weight[:] = layer.weight[0]
    return layer


@pytest.mark.parametrize(
    ("run", "make", "tight"),
    [
        pytest.param(
            lambda m, x: m.b(m.a(x)), {"a": lambda: nn.Linear(12, 5), "b": lambda: nn.Linear(5, 20)}, True, id="a bottleneck"
        ),
        pytest.param(lambda m, x: m.a(x), {"a": constant}, True, id="a constant weight"),
        pytest.param(lambda m, x: m.a(x), {"a": one_row}, True, id="one row for all units"),
        pytest.param(lambda m, x: m.a(x) * 1.0, {"a": zeroed}, False, id="a zero weight"),
        pytest.param(lambda m, x: x + m.a(x), {"a": lambda: nn.Linear(12, 12)}, True, id="a residual sum"),
        pytest.param(lambda m, x: F.layer_norm(m.a(x), (12,)), {"a": lambda: nn.Linear(12, 12)}, False, id="a layer norm"),
        pytest.param(lambda m, x: F.softmax(m.a(x), -1), {"a": lambda: nn.Linear(12, 6)}, True, id="a softmax"),
        pytest.param(
            lambda m, x: m.a(x.detach()) + x[:, :4].sum(), {"a": lambda: nn.Linear(12, 12)}, False, id="a detached branch"
        ),
        pytest.param(lambda m, x: m.a(x)[:, 3:7], {"a": lambda: nn.Linear(12, 12)}, True, id="a slice"),
        pytest.param(
            lambda m, x: torch.tanh(m.a(x)) @ m.a(x).T, {"a": lambda: nn.Linear(12, 12)}, False, id="a product of activations"
        ),
    ],
)
def test_no_jacobian_has_a_higher_rank(
    run: Callable[..., torch.Tensor], make: dict[str, Callable[[], nn.Module]], tight: bool
) -> None:
    """Against autograd's Jacobian of one real construction, in float64."""
    build = net(run, **make)
    signals = propagate(traced := capture(build_recorded(build), (torch.zeros(2, 12),))).signals
    torch.manual_seed(0)
    model = build().double()
    x = torch.randn(2, 12, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(model, x)
    true = int(torch.linalg.matrix_rank(jacobian.reshape(-1, x.numel()), rtol=1e-9))
    bound = signals[traced.outputs[0]].rank
    assert bound is not None
    assert true <= bound <= 24
    if tight:
        assert bound == true


def test_correlation_is_the_cosine_of_two_samples() -> None:
    """A shared offset of size one next to unit noise gives one half."""
    build = net(lambda m, x: x + m.b, b=lambda: nn.Parameter(torch.randn(64)))
    signals = propagate(capture(build_recorded(build), (torch.zeros(8, 64),))).signals
    assert signals["add"].correlation == pytest.approx(0.5, abs=1e-9)
    assert signals["add"].input_born == pytest.approx(1.0, abs=1e-9)
