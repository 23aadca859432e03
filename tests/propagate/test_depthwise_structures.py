"""Depthwise convolutions between normalizations and functions, and attention with logits of order one, against Monte Carlo."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from initlint.propagate.axes import Axis
from initlint.propagate.moments import Moments
from initlint.propagate.ops.conv import TapMap
from initlint.propagate.ops.depthwise import Passage
from initlint.propagate.ops.maps import tap_matrices
from initlint.propagate.pointwise import with_tails
from initlint.propagate.rows import kernel_rows
from initlint.propagate.sources import grid
from tests.propagate.structures import Structure, Table, disagreements

TABLE = Table()
add = TABLE.add
MAPS = torch.zeros(8, 32, 12, 12)
TOKENS = torch.zeros(4, 48, 96)


class InvertedBottlenecks(nn.Module):
    """Two blocks of a wide layer, a depthwise convolution and a narrow layer, each normalized, then an average over positions."""

    def __init__(self, act: Callable[[torch.Tensor], torch.Tensor], eps: float = 1e-5) -> None:
        super().__init__()
        self.act = act
        self.wide = nn.ModuleList(nn.Conv2d(32, 128, 1, bias=False) for _ in range(2))
        self.deep = nn.ModuleList(nn.Conv2d(128, 128, 3, padding=1, groups=128, bias=False) for _ in range(2))
        self.narrow = nn.ModuleList(nn.Conv2d(128, 32, 1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(n, eps=eps) for _ in range(2) for n in (128, 128, 32))
        self.head = nn.Linear(32, 10)
        for weight in (layer.weight for layer in self.deep):
            nn.init.normal_(weight, std=1.0 / 3.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for n, (wide, deep, narrow) in enumerate(zip(self.wide, self.deep, self.narrow, strict=True)):
            first, second, third = self.norms[3 * n : 3 * n + 3]
            y = self.act(second(deep(self.act(first(wide(x))))))
            x = x + third(narrow(y))
        return self.head(F.silu(x).mean((2, 3)))  # type: ignore[no-any-return]


class Bent(InvertedBottlenecks):
    def __init__(self) -> None:
        super().__init__(F.hardswish)


class Rectified(InvertedBottlenecks):
    def __init__(self) -> None:
        super().__init__(F.relu, eps=1e-12)  # a gain that a ReLU leaves to be divided out learns nothing at all


class Sloped(nn.Module):
    """A gain, and a function with a learned slope for every channel that leaves it to be divided out, as a ReLU does."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Conv2d(32, 128, 1, bias=False), nn.Conv2d(128, 32, 1, bias=False)
        self.deep = nn.Conv2d(128, 128, 3, padding=1, groups=128, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(128, eps=1e-12) for _ in range(2))
        self.slopes = nn.ModuleList(nn.PReLU(128) for _ in range(2))
        nn.init.normal_(self.deep.weight, std=1.0 / 3.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.slopes[0](self.norms[0](self.wide(x)))
        return self.narrow(self.slopes[1](self.norms[1](self.deep(x))))  # type: ignore[no-any-return]


class Padded(nn.Module):
    """A depthwise convolution of a padded map, its swishes written as products."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Conv2d(32, 128, 1, bias=False), nn.Conv2d(128, 32, 1, bias=False)
        self.deep = nn.Conv2d(128, 128, 3, groups=128, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in (128, 128, 32))
        self.head = nn.Linear(32, 10)
        nn.init.normal_(self.deep.weight, std=1.0 / 3.0)

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return self.deep(F.pad(x, [1, 1, 1, 1]))  # type: ignore[no-any-return]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second, third = self.norms
        y = first(self.wide(x))
        z = second(self.between(y * torch.sigmoid(y)))
        return self.head(F.silu(third(self.narrow(z * torch.sigmoid(z)))).mean((2, 3)))  # type: ignore[no-any-return]


class Mixed(Padded):
    """Kernels of two sizes, each for half of the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.both = nn.ModuleList(nn.Conv2d(64, 64, k, padding=k // 2, groups=64, bias=False) for k in (3, 5))
        for conv, size in zip(self.both, (3, 5), strict=True):
            nn.init.normal_(conv.weight, std=1.0 / size)

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([conv(part) for conv, part in zip(self.both, x.chunk(2, 1), strict=True)], 1)


class Attention(nn.Module):
    """One layer of attention whose logits have variance one; keys and values are images of the same tokens."""

    def __init__(self, *, causal: bool = False) -> None:
        super().__init__()
        self.causal = causal
        self.qkv = nn.ParameterList(nn.Parameter(torch.randn(96, 96) / 96**0.5) for _ in range(3))
        self.out = nn.Linear(96, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, w = x.shape
        q, k, v = (F.linear(x, weight).view(b, t, 2, w // 2).transpose(1, 2) for weight in self.qkv)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(b, t, w))  # type: ignore[no-any-return]


class Causal(Attention):
    def __init__(self) -> None:
        super().__init__(causal=True)


class Joined(nn.Module):
    """The same where one matrix makes queries, keys and values, as GPT-2 has it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(96, 288) / 96**0.5)
        self.bias, self.out = nn.Parameter(torch.zeros(288)), nn.Linear(96, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, w = x.shape
        parts = torch.addmm(self.bias, x.reshape(-1, w), self.weight).view(b, t, 3 * w).split(w, -1)
        q, k, v = (part.view(b, t, 2, w // 2).transpose(1, 2) for part in parts)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, w))  # type: ignore[no-any-return]


class NormalizedQueries(nn.Module):
    """Tokens normalized by hand before attention that normalizes its queries and keys: only the values feel the scale."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = nn.Linear(96, 96), nn.Linear(96, 32)
        self.q, self.k, self.v = (nn.Linear(96, 96, bias=False) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        b, t, w = x.shape
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        q, k, v = (layer(x).view(b, t, 1, w).transpose(1, 2) for layer in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(F.rms_norm(q, (w,)), F.rms_norm(k, (w,)), v)
        return self.out(y.transpose(1, 2).reshape(b, t, w))  # type: ignore[no-any-return]


add("hard swishes around depthwise convolutions", Bent, MAPS, draws=48)
add("ReLUs around depthwise convolutions", Rectified, MAPS, draws=48)
add("functions with slopes around a depthwise convolution", Sloped, MAPS, draws=48)
add("a padded map under a depthwise convolution", Padded, MAPS, draws=48)
add("depthwise convolutions with kernels of two sizes", Mixed, MAPS, draws=48)
add("attention with logits of order one", Attention, TOKENS, draws=48)
add("causal attention with logits of order one", Causal, TOKENS, draws=48)
add("attention whose projections are one matrix product", Joined, TOKENS, draws=48)
add("the scale of a norm before normalized queries and keys", NormalizedQueries, TOKENS, draws=48)


@pytest.mark.parametrize("row", TABLE.parametrized())
def test_structure_is_predicted(row: Structure) -> None:
    """Mean, second moment, zeros, pair moments and gradient of every node lie within five standard errors and the bound."""
    assert not (wrong := disagreements(row)), wrong


@pytest.mark.parametrize("act", [F.relu, F.silu])
def test_sum_of_few_terms_is_bent_as_its_cumulants_say(act: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Nine functions of normal numbers, each channel with weights of its own: mean and power of the same function of their sum.

    What the first order leaves is of second order in the cumulants, here below a fourth of the effect; five standard errors.
    """
    torch.manual_seed(0)
    channels, samples, taps = 4000, 2000, 9
    x = act(torch.randn(channels, samples, taps))
    apart = x - x.mean()
    power = apart.square().mean()
    kurtosis = float((apart**4).mean() / power**2) - 3.0
    skewness = float((apart**3).mean() ** 2 / power**3)
    weight = torch.randn(channels, 1, taps)
    total = (apart * weight).sum(-1)
    total = (total - total.mean(1, keepdim=True)) / total.std(1, keepdim=True)
    got = act(total)
    z, w, _ = grid(160)
    plain, bent = (
        act(torch.from_numpy(with_tails(z, *law))).numpy()
        for law in ((0.0, 0.0), (kurtosis * 3.0 / 11.0, skewness * 15.0 / 143.0))
    )
    for each, of in ((got.mean(1).square(), lambda v: (w @ v) ** 2), (got.square().mean(1), lambda v: w @ v**2)):
        measured, error = float(each.mean()), 5.0 * float(each.std()) / channels**0.5
        assert abs(measured - of(bent)) < abs(measured - of(plain)) / 4 + error


def test_correlation_of_two_positions_wanders_as_they_share_what_they_read() -> None:
    """E[ρ²] over kernels, averaged over pairs of different positions of one channel, for white inputs; five standard errors."""
    torch.manual_seed(0)
    channels, size = 2000, 6
    taps = [tap_matrices(size, size, 3, 1, 1, 1)] * 2
    dims = ((Axis(channels),), (), (Axis(3),), (Axis(3),))
    kernel = Moments(dims, np.zeros((1, 1, 1)), np.zeros((2, 2, 2)), gram=kernel_rows(3.0, (channels, 1, 3, 3)))
    kernel.pair[0, 0, 0] = 1.0
    passage = Passage(kernel=kernel, taps=taps)
    axes = tuple(TapMap(each, Axis(size), 3).target for each in taps)
    y = Moments(
        ((), (Axis(channels),), *((axis,) for axis in axes)), np.zeros((1, 3, 3)), np.zeros([2, *(a.states for a in axes)])
    )
    wander = passage.wander(y)
    assert wander is not None
    predicted = wander[0]
    for axis in reversed(axes):
        predicted = predicted @ axis.pairs
    unit = torch.eye(size**2).view(size**2, 1, size, size)
    maps = torch.stack([F.conv2d(unit, torch.randn(1, 1, 3, 3), padding=1).view(size**2, -1) for _ in range(channels)])
    covariance = maps.mT @ maps
    own = covariance.diagonal(dim1=1, dim2=2)
    scale = own.mean(1)[:, None, None]  # a channel is divided by one deviation
    spread = (own / scale[:, 0]).mean(0)
    squares = (covariance / scale) ** 2 / (spread[:, None] * spread[None])
    each = squares.sum((1, 2)) - squares.diagonal(dim1=1, dim2=2).sum(1)
    error = 5.0 * float(each.std()) / channels**0.5
    assert abs(float(each.mean()) - float(predicted)) < error + 0.02 * float(predicted)
