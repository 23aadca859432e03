"""Copies of a part of a model: what is said to stay one receives one gradient, and what drifts apart does not."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.graph.dataflow import dependence_of
from initlint.graph.doubles import equal_differences, fate_of

WIDTH = 6
Use = Callable[["Net", Tensor], Tensor | tuple[Tensor, Tensor]]


class Net(nn.Module):
    def __init__(self, use: Use, rate: float = 0.0) -> None:
        super().__init__()
        self.use = use
        self.one = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Dropout(rate), nn.Linear(WIDTH, 3))
        self.two = copy.deepcopy(self.one)
        self.gate = nn.Linear(WIDTH, 2)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return self.use(self, x)


ONE = {
    "a sum": lambda net, x: net.one(x) + net.two(x),
    "a sum of three": lambda net, x: net.one(x) + net.gate(x).sum(-1, keepdim=True) + net.two(x),
    "Python's sum": lambda net, x: sum(part(x) for part in (net.one, net.two)),
    "the smaller": lambda net, x: torch.minimum(net.one(x), net.two(x)),
    "a mean of a stack": lambda net, x: torch.stack([net.one(x), net.two(x)], 1).mean(1),
    "a product": lambda net, x: net.one(x) * net.two(x),
}
APART = {
    "a difference": lambda net, x: net.one(x) - net.two(x),
    "a weighted sum": lambda net, x: torch.add(net.one(x), net.two(x), alpha=2),
    "gates": lambda net, x: net.one(x) * net.gate(x)[:, :1] + net.two(x) * net.gate(x)[:, 1:],
    "other inputs": lambda net, x: net.one(x) + net.two(2 * x),
    "one after the other": lambda net, x: net.two(F.pad(net.one(x), (0, 3))),
    "one used twice": lambda net, x: net.one(x) + net.two(x) + net.one(x).square(),
    "the inner part of one": lambda net, x: net.one(x) + net.two(x) + net.one[0](x)[:, :3],
    "side by side": lambda net, x: net.gate(torch.cat([net.one(x), net.two(x)], 1)),
    "the index of the smaller": lambda net, x: torch.stack([net.one(x), net.two(x)]).min(0).values,
}


def fate(use: Use, rate: float = 0.0) -> str:
    traced = capture(build_recorded(lambda: Net(use, rate), roots=("/",)), (torch.randn(4, WIDTH),), None)
    copies, sources = ([name for name in traced.parameters if name.startswith(f"p_{part}_")] for part in ("two", "one"))
    return fate_of(traced, dependence_of(traced), copies, sources)


def difference(use: Use, rate: float = 0.0) -> float:
    """Of the gradients of original and copy, relative to the larger one, for a random cotangent."""
    torch.manual_seed(1)
    net = Net(use, rate).double()
    out = net(torch.randn(4, WIDTH, dtype=torch.double))
    assert isinstance(out, Tensor)
    out.backward(torch.randn_like(out))
    one, two = (torch.cat([p.grad.flatten() for p in part.parameters() if p.grad is not None]) for part in (net.one, net.two))
    return float((one - two).norm() / max(one.norm(), two.norm()))


@pytest.mark.parametrize("use", ONE.values(), ids=ONE.keys())
def test_copies_that_stay_one_receive_one_gradient(use: Use) -> None:
    """And it is said."""
    assert fate(use) == "one"
    assert difference(use) < 1e-9


@pytest.mark.parametrize("use", APART.values(), ids=APART.keys())
def test_copies_with_gradients_of_their_own_drift_apart(use: Use) -> None:
    """Whatever they differ by."""
    assert difference(use) > 1e-2
    assert fate(use) == "drift apart"


def test_dropout_takes_copies_apart() -> None:
    """Each drops other units."""
    assert difference(ONE["a sum"], 0.5) > 1e-2
    assert fate(ONE["a sum"], 0.5) == "drift apart"


def test_two_outputs_stay_one_while_their_targets_are() -> None:
    """What each is compared with is not the model's."""
    assert fate(lambda net, x: (net.one(x), net.two(x))) == "one while targets are"


@pytest.mark.parametrize(
    ("use", "count"),
    [
        pytest.param(lambda net, x: (net.one(x) - net.two(x)).square(), 1, id="a difference"),
        pytest.param(lambda net, x: F.mse_loss(net.one(x), net.two(x)), 1, id="a loss"),
        pytest.param(lambda net, x: net.one(x) - 2 * net.two(x), 0, id="a multiple"),
        pytest.param(lambda net, x: net.one(x) - net.two(x.flip(0)), 0, id="other inputs"),
    ],
)
def test_differences_of_copies_are_zero(use: Use, count: int) -> None:
    """Where both read the same."""
    traced = capture(build_recorded(lambda: Net(use), roots=("/",)), (torch.randn(4, WIDTH),), None)
    assert len(equal_differences(traced)) == count
