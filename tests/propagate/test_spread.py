"""How far one construction lies from the next: predicted spread of ln q against the spread over real constructions.

Of S draws a standard deviation is known to 1/√(2S) of itself, for a normal law, which ln q nearly has. Beyond four of these a
row allows the factor that the approximation is good for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.propagate import propagate
from initlint.propagate.backward import run
from initlint.propagate.oracle import _Run, draw_input, weights_of

SIGMAS = 4.0
torch.set_num_threads(1)


def he(weight):
    nn.init.normal_(weight, std=math.sqrt(2 / (weight.numel() / weight.shape[0])))


def unit(weight):
    nn.init.normal_(weight, std=weight.shape[1] ** -0.5)


def orthogonal(weight):
    nn.init.orthogonal_(weight, math.sqrt(2))


def rotation(weight):
    nn.init.orthogonal_(weight)


def default(weight):
    del weight


def layer(make, init):
    module = make()
    init(module.weight)
    return module


def stack(depth, width, function=nn.ReLU, init=he, bias=False):
    def build():
        layers = []
        for _ in range(depth):
            layers += [layer(lambda: nn.Linear(width, width, bias=bias), init), function()]
        return nn.Sequential(*layers)

    return build


def convolutions(depth, channels):
    def build():
        layers = []
        for _ in range(depth):
            layers += [layer(lambda: nn.Conv2d(channels, channels, 3, padding=1, bias=False), he), nn.ReLU()]
        return nn.Sequential(*layers)

    return build


class Residual(nn.Module):
    """x + ½ W relu(x), again and again."""

    def __init__(self, depth, width):
        super().__init__()
        self.layers = nn.ModuleList(layer(lambda: nn.Linear(width, width, bias=False), he) for _ in range(depth))

    def forward(self, x):
        for f in self.layers:
            x = x + 0.5 * f(torch.relu(x))
        return x


class Normalized(nn.Module):
    """ReLU layers, each behind a normalization written by hand."""

    def __init__(self, depth, width):
        super().__init__()
        self.layers = nn.ModuleList(layer(lambda: nn.Linear(width, width, bias=False), he) for _ in range(depth))

    def forward(self, x):
        for f in self.layers:
            x = torch.relu(f(x))
            x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        return f(x)


class Weighted(nn.Module):
    """The same with the gain before the division, as LLaMA's norm is often written."""

    def __init__(self, depth, width):
        super().__init__()
        self.layers = nn.ModuleList(layer(lambda: nn.Linear(width, width, bias=False), he) for _ in range(depth))
        self.last = layer(lambda: nn.Linear(width, width, bias=False), he)
        self.gains = nn.ParameterList(torch.ones(width) for _ in range(depth))

    def forward(self, x):
        for f, gain in zip(self.layers, self.gains, strict=True):
            x = torch.relu(f(x))
            x = gain * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        return self.last(x)


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width):
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True, bias=False)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        h = self.first(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        return x + self.mlp(self.second(x))


@dataclass(frozen=True)
class Row:
    """factor: what the approximation may be off, beyond sampling."""

    name: str
    build: Callable[[], nn.Module]
    input: torch.Tensor
    factor: float = 1.1
    draws: int = 80


def vectors(samples, width):
    return torch.zeros(samples, width)


ROWS = [
    Row("a ReLU net of width 64 and depth 20, one input", stack(20, 64), vectors(1, 64)),
    Row("the same, eight inputs", stack(20, 64), vectors(8, 64)),
    Row("the same with one bias in q", stack(10, 64, nn.ReLU, default, bias=True), vectors(4, 64), 1.25),
    Row("a short ReLU net of width 32, many inputs", stack(10, 32), vectors(64, 32)),
    Row("a deep narrow ReLU net", stack(60, 16), vectors(4, 16), 1.15),
    Row("a linear net, one input", stack(20, 64, nn.Identity, unit), vectors(1, 64)),
    Row("a linear net, inputs that lose their independence", stack(20, 64, nn.Identity, unit), vectors(8, 64), 1.2),
    Row("orthogonal weights and ReLU", stack(20, 64, nn.ReLU, orthogonal), vectors(1, 64)),
    Row("orthogonal weights alone: the input's own", stack(20, 64, nn.Identity, rotation), vectors(1, 64)),
    Row("tanh holds the scale", stack(10, 64, nn.Tanh, unit), vectors(1, 64), 1.25),
    Row("GELU", stack(10, 64, nn.GELU, he), vectors(4, 64), 1.4),
    Row("residual blocks, one input", lambda: Residual(20, 64), vectors(1, 64), 1.15),
    Row("residual blocks, eight inputs", lambda: Residual(20, 32), vectors(8, 32), 1.25),
    Row("convolutions of eight channels", convolutions(8, 8), torch.zeros(2, 8, 6, 6), 1.15),
    Row("a normalization by hand before the last layer", lambda: Normalized(8, 32), vectors(2, 32), 1.3),
    Row("normalizations by hand before every layer, with their gains", lambda: Weighted(30, 16), vectors(2, 16), 1.3),
    Row("pre-norm transformer", lambda: nn.Sequential(*(Block(32) for _ in range(3))), torch.zeros(2, 6, 32), 1.4, 40),
]  # fmt: skip


def over_draws(traced: Any, build: Callable[[], nn.Module], draws: int) -> dict[str, np.ndarray]:
    """ln q of every node, one number a draw; forward only."""
    found: dict[str, list[float]] = {}
    for n in range(draws):
        torch.manual_seed(n)
        leaves = weights_of(traced, build())
        leaves |= {name: draw_input(law) for name, law in traced.inputs.items()}
        run = _Run({})
        with torch.no_grad():
            run.graph(traced.program.graph_module, leaves)
        for name, quantities in run.found.items():
            found.setdefault(name, []).append(quantities["q"])
    return {name: np.log(np.maximum(values, 1e-300)) for name, values in found.items()}


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_spread_and_typical_draw_agree_with_real_constructions(row):
    """The standard deviation of ln q and its mean, at the output."""
    traced = capture(build_recorded(row.build), (row.input,))
    signal = propagate(traced).signals[traced.outputs[0]]
    truth = over_draws(traced, row.build, row.draws)[traced.outputs[0]]
    deviation = truth.std(ddof=1)
    off = abs(math.log(signal.spread / deviation))
    assert off <= SIGMAS / math.sqrt(2 * row.draws) + math.log(row.factor), (signal.spread, deviation)
    middle = math.log(signal.second_moment) + signal.lag
    doubt = SIGMAS * deviation / math.sqrt(row.draws) + 0.06 + (row.factor - 1) * abs(signal.lag)
    assert abs(truth.mean() - middle) <= doubt, (truth.mean(), middle, math.log(signal.second_moment))


def test_typical_draw_of_a_deep_narrow_net_dies_while_its_mean_stays():
    """E[q] is kept by He weights at any width; in the middle q falls as e^(−5L/2n) (theory §15)."""
    traced = capture(build_recorded(stack(60, 16)), (vectors(1, 16),))
    signal = propagate(traced).signals[traced.outputs[0]]
    assert signal.second_moment == pytest.approx(0.5 * 2, rel=0.01)
    assert math.log(signal.typical) == pytest.approx(-2.5 * 60 / 16, rel=0.1)


@pytest.mark.parametrize("width", [32, 64, 128])
def test_variance_is_five_over_n_a_layer(width):
    """Var ln q = 5L/n for ReLU and He weights, one input."""
    traced = capture(build_recorded(stack(10, width)), (vectors(1, width),))
    signal = propagate(traced).signals[traced.outputs[0]]
    # 2/n of it are the input's own; the rest of the difference is the second order in 5/n
    assert signal.spread**2 == pytest.approx(50 / width + 2 / width, rel=3 / width + 0.01)


def test_normalization_resets_it():
    """Behind a layer norm every construction has the same q."""

    def build():
        return nn.Sequential(stack(10, 16)(), nn.LayerNorm(16))

    traced = capture(build_recorded(build), (vectors(2, 16),))
    signal = propagate(traced).signals[traced.outputs[0]]
    assert signal.spread == 0.0
    assert signal.lag == 0.0


def test_normalization_in_name_only_keeps_it():
    """Where ε outweighs the variance a batch norm is the multiplication by a number, which no draw differs by."""

    def build(norm: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        def make() -> nn.Module:
            layers = [nn.Linear(16, 16, bias=False) for _ in range(6)]
            for each in layers:
                nn.init.normal_(each.weight, std=1e-2)
            return nn.Sequential(*layers, norm())

        return make

    held, without = (
        capture(build_recorded(build(norm)), (torch.zeros(32, 16),)) for norm in (lambda: nn.BatchNorm1d(16), nn.Identity)
    )
    spreads = [run(traced).signals[traced.outputs[0]].spread for traced in (held, without)]
    assert spreads[1] > 0.3  # six layers of 2/16, averaged over 32 samples
    assert spreads[0] == pytest.approx(spreads[1], rel=0.01)
