"""Logarithms of softmax: logits less the logarithm of the sum of their exponentials.

With n independent Gaussian logits of variance s², P₂ = E Σp² of their softmax p and L = log Σ e^x, Gaussian integration by parts
gives

    E[x_i L] = s²/n        dE[L]/ds² = (1 − P₂)/2        dE[L²]/ds² = P₂ + E[L (1 − Σp²)]

so that E[L] is an integral of participations, from log n + s²/2 for alike logits to the largest of n. The variance of L starts
at s²/n and ends at that of the largest; its growth is interpolated by P₂ between these two.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.moments import Moments, outer_means, size_of
from initlint.propagate.ops.attention import participation
from initlint.propagate.ops.reduce import project
from initlint.propagate.ops.registry import as_moments, transfer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initlint.propagate.axes import Array
    from initlint.propagate.tape import Tape

STEPS = 64  # of the integrals over s²


@lru_cache(maxsize=256)
def variance_of_largest(count: int) -> float:
    """Var of the largest of n standard normal numbers."""
    import torch

    z = np.linspace(-9.0, 9.0, 4001)
    below = torch.special.log_ndtr(torch.from_numpy(z)).numpy()
    density = np.exp(-(z**2) / 2 + (count - 1) * below)
    density /= density.sum()
    return float(density @ z**2 - (density @ z) ** 2)


def logarithm_of_sum(count: int, spread: float) -> tuple[float, float, float]:
    """E[L] and Var(L) for n logits of variance `spread` and mean zero, and P₂ of their softmax."""
    if count < 2 or spread <= 0:
        return float(np.log(max(count, 1))), max(spread, 0.0), 1.0 / max(count, 1)
    # steps that are even in s are fine where P₂ rises
    nodes = np.linspace(0.0, np.sqrt(spread), STEPS + 1) ** 2
    shares = participation(np.full(nodes.shape, float(count)), nodes)[0]
    shares[0] = 1.0 / count
    rate = shares * (1.0 - (1.0 - variance_of_largest(count)) * (shares - 1.0 / count) / (1.0 - 1.0 / count))
    return float(np.log(count) + 0.5 * np.trapezoid(1.0 - shares, nodes)), float(np.trapezoid(rate, nodes)), float(shares[-1])


@transfer("log_softmax", "_log_softmax", "special_log_softmax")
def log_softmax(tape: Tape, x: Any, dim: int, *args: Any, **kwargs: Any) -> Moments:
    """x − L. Back goes g − p Σg: of a white g the share 1 − 2/n + P₂ is left."""
    x = as_moments(x)
    d = x.dim(dim)
    axes = x.dim_axes([d])
    count = size_of(x.dims[d])
    mean, pair = project(x, axes, -1.0)
    centred = float(np.mean(Moments(x.dims, np.zeros_like(mean), pair).q))
    own = centred * count / max(count - 1, 1)
    average, variance, share = logarithm_of_sum(count, own)
    cross = -average * (outer_means(x.axes, mean, np.ones_like(mean)) + outer_means(x.axes, np.ones_like(mean), mean))
    pair = pair + cross + average**2
    pair[in_one_row(x, axes)] += max(variance - own / count, 0.0)
    y = x.with_(mean=mean - average, pair=pair, zeros=0.0, valid=None, method="quadrature", negative=True, positive=False)
    left = (1.0 - 2.0 / count + share) / (1.0 - 1.0 / count) if count > 1 else 0.0

    def pull(g: Moments) -> list[Moments]:
        own_axes = g.dim_axes([d])
        result: Array = np.array(project(g, own_axes, -1.0)[1])
        result[in_one_row(g, own_axes)] *= left
        return [g.with_(pair=result)]

    return tape.record([x], y, pull)


def in_one_row(x: Moments, axes: Sequence[int]) -> tuple[slice, ...]:
    """The pair states of elements that differ at most along these axes."""
    return tuple(slice(None) if k in axes else slice(0, axis.groups) for k, axis in enumerate(x.axes))
