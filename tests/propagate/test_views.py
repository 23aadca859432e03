"""Many functions of one entry, made by known tensors along new axes: splines, radial bases, frequencies, against Monte Carlo."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from initlint.propagate.axes import Axis
from initlint.propagate.moments import Moments, iid
from initlint.propagate.ops.functions import on_table
from initlint.propagate.sampling import draw
from initlint.propagate.tape import Known, Tape
from tests.propagate.structures import Structure, Table, disagreements

TABLE = Table()
add = TABLE.add
VECTORS = torch.zeros(32, 48)


class Spline(nn.Module):
    """Two Kolmogorov-Arnold layers of quadratic splines (Liu et al. 2024), the grid repeated for every input feature."""

    def __init__(self) -> None:
        super().__init__()
        grid = torch.arange(-2, 8) * 0.8 - 2.0
        self.register_buffer("grid", grid.expand(48, -1).contiguous())
        self.base = nn.ModuleList(nn.Linear(48, 48) for _ in range(2))
        self.weights = nn.ParameterList(torch.randn(48, 48, 7) / math.sqrt(48) for _ in range(2))

    def bases(self, x: torch.Tensor) -> torch.Tensor:
        x, grid = x.unsqueeze(-1), self.grid
        bases = ((x >= grid[:, :-1]) & (x < grid[:, 1:])).to(x.dtype)
        for k in (1, 2):
            left = (x - grid[:, : -(k + 1)]) / (grid[:, k:-1] - grid[:, : -(k + 1)]) * bases[:, :, :-1]
            right = (grid[:, k + 1 :] - x) / (grid[:, k + 1 :] - grid[:, 1:(-k)]) * bases[:, :, 1:]
            bases = left + right
        return bases

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for base, weight in zip(self.base, self.weights, strict=True):
            bases = self.bases(x)
            x = base(torch.nn.functional.silu(x)) + bases.flatten(1) @ weight.flatten(1).t()
        return x


class Radial(nn.Module):
    """Gaussian radial bases on a known grid, after a normalization."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(48)
        self.register_buffer("grid", torch.linspace(-2, 2, 8))
        self.out = nn.Linear(48 * 8, 32, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bases = torch.exp(-(((self.norm(x)[..., None] - self.grid) / 0.57) ** 2))
        return self.out(bases.view(*x.shape[:-1], -1))


class TimeStep(nn.Module):
    """A time step by sines and cosines of known frequencies, and an MLP on it."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(64, 96), nn.SiLU(), nn.Linear(96, 64))

    def forward(self, t: torch.Tensor) -> torch.Tensor:
        freqs = torch.exp(-math.log(10000.0) * torch.arange(32) / 32)
        args = t[:, None] * freqs[None]
        return self.mlp(torch.cat([torch.cos(args), torch.sin(args)], dim=-1))


class SoftBins(nn.Module):
    """Membership of an activation in known bins, of its tanh: a function of a function."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.out = nn.Linear(48, 40), nn.Linear(40 * 6, 32)
        self.register_buffer("centres", torch.linspace(-1, 1, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.tanh(self.inner(x)).unsqueeze(-1)
        return self.out((torch.sigmoid(4 * (y - self.centres)) * y).flatten(1))


class Powers(nn.Module):
    """Powers of one entry up to the fourth, each with its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(48, 32, 5) / 16)
        self.register_buffer("orders", torch.arange(5.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bid,iod->bo", torch.tanh(x).unsqueeze(-1) ** self.orders, self.weight)


class Spread(nn.Module):
    """Mean and variance of one unit by weights of one row: its bias is a function of a single entry of the table."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.randn(1, 49) / 7)
        self.rho = nn.Parameter(torch.full((1, 49), -1.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spread = torch.nn.functional.softplus(self.rho)
        variance = torch.nn.functional.linear(x**2, spread[:, :-1] ** 2, spread[:, -1] ** 2)
        mean = torch.nn.functional.linear(x, self.mean[:, :-1], self.mean[:, -1])
        return mean + variance.sqrt() * torch.randn_like(mean)


add("one Bayesian unit", Spread, VECTORS)
add("two layers of splines on a known grid", Spline, VECTORS)
add("radial bases on a known grid", Radial, VECTORS)
add("a time step by known frequencies", TimeStep, torch.zeros(256))
add("soft bins of a tanh", SoftBins, VECTORS)
add("powers of one entry", Powers, VECTORS)


@pytest.mark.parametrize("row", TABLE.parametrized())
def test_functions_of_one_entry_agree_with_real_initializations(row: Structure) -> None:
    assert not disagreements(row), disagreements(row)


def sampled(x: Moments, function: Any, n: int = 20_000) -> tuple[Any, Any]:
    """E[f_k(u)²], E[f_k(u) f_l(u)] for k ≠ l and E[f_k(u) f_k(v)] for another entry v, by drawing; with standard errors."""
    generator = np.random.default_rng(0)
    found = np.empty((n, 3))
    for row in found:
        f = function(torch.from_numpy(draw(x, generator))[..., None]).numpy()
        size, every = f.shape[-1], f.sum(-1)
        own = (f**2).sum(-1)
        apart = f.sum(0) ** 2 - (f**2).sum(0)
        row[:] = own.mean() / size, (every**2 - own).mean() / (size * (size - 1)), apart.mean() / (len(f) * (len(f) - 1))
    return found.mean(0), found.std(0) / math.sqrt(n)


@pytest.mark.parametrize("function", [lambda x, c: x * c, lambda x, c: (x - c).relu(), lambda x, c: (x > c) * 1.0])
def test_pairs_of_functions_have_their_moments(function: Any) -> None:
    """E[f_k f_l] of one entry is that of the two functions, of correlated entries that of Mehler's series."""
    x = iid((6,), 0.3, 1.0)
    x = Moments(((Axis(6),),), x.mean, np.array([1.0, 0.5]))
    table = torch.linspace(-1, 1, 5, dtype=torch.float64)
    z = on_table(Tape(), Moments((*x.dims, ()), x.mean, x.pair), Known(table), function)
    assert z is not None
    assert z.shape == (6, 5)
    found, error = sampled(x, lambda t: function(t, table))
    assert np.all(np.abs(np.array([z.pair[0, 0], z.pair[0, 1], z.pair[1, 0]]) - found) < 4 * error)
