"""How far the second direction falls behind the first: Σ κ/n against the singular values of Jacobians that are multiplied out."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.lint.directions import narrowings
from initlint.lint.facts import gather
from initlint.propagate import propagate

UNITS, DRAWS = 32, 60
DEPTHS = (UNITS, 3 * UNITS)  # of which the difference counts: the first layers are not yet as the others
FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "linear": (lambda z: z, 1.0),
    "relu": (torch.relu, math.sqrt(2)),
    "tanh": (torch.tanh, 1.0),
}


def bend(function: Callable[[Tensor], Tensor]) -> float:
    """E[φ'⁴]/E[φ'²]² of standard normal numbers, by autograd."""
    z = torch.randn(400_000, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    (slope,) = torch.autograd.grad(function(z).sum(), z)
    return float((slope**4).mean() / (slope**2).mean() ** 2)


def gaps(function: Callable[[Tensor], Tensor], gain: float) -> tuple[float, float]:
    """ln(σ₁²/σ₂²) that `UNITS` layers more add, and its standard error."""
    torch.manual_seed(3)
    found = []
    for _ in range(DRAWS):
        x = torch.randn(UNITS, dtype=torch.float64)
        directions, logs = torch.linalg.qr(torch.randn(UNITS, 3, dtype=torch.float64))[0], torch.zeros(3, dtype=torch.float64)
        at = []
        for depth in range(1, DEPTHS[1] + 1):
            weight = torch.randn(UNITS, UNITS, dtype=torch.float64) * gain / UNITS**0.5
            z = weight @ x
            z = (z / z.square().mean().sqrt()).requires_grad_(True)
            x = function(z)
            (slope,) = torch.autograd.grad(x.sum(), z)
            x = x.detach()
            directions, r = torch.linalg.qr(slope[:, None] * (weight @ directions))
            logs = logs + r.diagonal().abs().log()
            at += [2 * float(logs[0] - logs[1])] if depth in DEPTHS else []
        found.append((at[1] - at[0]) * UNITS / (DEPTHS[1] - DEPTHS[0]))
    values = torch.tensor(found)
    return float(values.mean()), float(values.std()) / DRAWS**0.5


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_second_direction_falls_behind_as_predicted(name: str) -> None:
    """κ a width of layers, within four standard errors; the digamma functions of the theory differ from 1/n by 5 % at 32 units."""
    function, gain = FUNCTIONS[name]
    measured, error = gaps(function, gain)
    exact = UNITS * float(torch.digamma(torch.tensor(UNITS / 2)) - torch.digamma(torch.tensor((UNITS - 1) / 2)))
    assert abs(measured - exact * bend(function)) < 4 * error


class Stack(nn.Module):
    def __init__(self, units: int = 16, depth: int = 20) -> None:
        super().__init__()
        self.first = nn.Linear(6, units)
        self.layers = nn.ModuleList([nn.Linear(units, units) for _ in range(depth)])
        self.norm = nn.LayerNorm(units)
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight)

    def step(self, x: Tensor, layer: nn.Module) -> Tensor:
        return F.relu(self.norm(layer(x)))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        for layer in self.layers:
            x = self.step(x, layer)
        return x


class Trunk(Stack):
    def step(self, x: Tensor, layer: nn.Module) -> Tensor:
        return x + super().step(x, layer)


class Orthogonal(Stack):
    def __init__(self) -> None:
        super().__init__()
        for layer in self.layers:
            nn.init.orthogonal_(layer.weight)


class Identity(Stack):
    def __init__(self) -> None:
        super().__init__()
        for layer in self.layers:
            nn.init.eye_(layer.weight)


def lost(model: Callable[[], nn.Module]) -> list[float]:
    traced = capture(build_recorded(model), (torch.zeros(4, 6),))
    facts = gather(target="net", path=__file__, traced=traced, signals=propagate(traced).signals)
    return [item.lost for item in narrowings(facts)]


def test_rectifiers_let_half_of_the_directions_through() -> None:
    """κ = 2 before each of twenty layers of 16; a trunk ends every run."""
    assert lost(Stack) == [pytest.approx(20 * 2 / 16, rel=0.01)]
    assert lost(Orthogonal) == [pytest.approx(20 * 1 / 16, rel=0.02)]
    assert lost(Identity) == [0.0]
    assert all(item < 0.3 for item in lost(Trunk))
