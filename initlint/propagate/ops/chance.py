"""Operators that draw random numbers while the model runs: noise, dropout masks, stochastic depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from initlint.propagate.axes import Array
from initlint.propagate.moments import Moments, iid
from initlint.propagate.ops.registry import as_moments, scalar_of, transfer
from initlint.propagate.pointwise import apply
from initlint.propagate.tape import Tape


def uniform(shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> Moments:
    """iid uniform entries, as a function of a Gaussian, so that what is computed from them is exact."""

    def quantile(z: Array) -> Array:
        import torch

        return low + (high - low) * torch.special.ndtr(torch.from_numpy(np.array(z))).numpy()

    return apply(quantile, iid(shape, 0.0, 1.0, batch=True), method="closed")


@transfer("rand")
def rand(tape: Tape, shape: Sequence[int], *args: Any, **kwargs: Any) -> Moments:
    return uniform(shape)


@transfer("rand_like")
def rand_like(tape: Tape, x: Any, *args: Any, **kwargs: Any) -> Moments:
    return uniform(x.shape)


@transfer("uniform_", "uniform")
def uniform_(tape: Tape, x: Any, low: float = 0.0, high: float = 1.0, **kwargs: Any) -> Moments:
    return uniform(x.shape, low, high)


@transfer("randn")
def randn(tape: Tape, shape: Sequence[int], *args: Any, **kwargs: Any) -> Moments:
    return iid(shape, 0.0, 1.0, batch=True)


@transfer("randn_like")
def randn_like(tape: Tape, x: Any, *args: Any, **kwargs: Any) -> Moments:
    return iid(x.shape, 0.0, 1.0, batch=True)


@transfer("normal_", "normal")
def normal(tape: Tape, x: Any, mean: float = 0.0, std: float = 1.0, *args: Any, **kwargs: Any) -> Moments:
    return iid(x.shape, mean, mean**2 + std**2, batch=True)


@transfer("bernoulli_", "bernoulli")
def bernoulli(tape: Tape, x: Any, p: Any = None, **kwargs: Any) -> Moments:
    chance = scalar_of(p) if p is not None else as_moments(x).m
    chance = 0.5 if chance is None else float(chance)
    y = iid(x.shape, chance, chance, batch=True)
    y.zeros = 1.0 - chance
    return y


@transfer("exponential_", "exponential")
def exponential(tape: Tape, x: Any, rate: float = 1.0, **kwargs: Any) -> Moments:
    y = apply(lambda u: -np.log(np.clip(u, 1e-300, None)) / rate, uniform(x.shape))
    y.method = "closed"
    return y
