"""Known linear maps along dimensions of a tensor, on the tape: windows and their taps, and any matrix.

Pooling, interpolation, sums of slices are such maps, applied one dimension at a time; the way back is the transposed map.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from initlint.propagate.axes import Array, Axis
from initlint.propagate.linear import mapped
from initlint.propagate.moments import Moments
from initlint.propagate.ops.functions import affine
from initlint.propagate.ops.gather import single
from initlint.propagate.ops.registry import as_moments
from initlint.propagate.ops.view import expanded
from initlint.propagate.sparse import Sparse
from initlint.propagate.tape import Tape


@lru_cache(maxsize=256)
def tap_matrices(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[Sparse, ...]:
    """A_t: (out, size), one where output o reads input o·stride − padding + t·dilation."""
    result = []
    for t in range(kernel):
        index = np.arange(out) * stride - padding + t * dilation
        inside = (index >= 0) & (index < size)
        result.append(Sparse((out, size), np.arange(out)[inside], index[inside]))
    return tuple(result)


@lru_cache(maxsize=256)
def transposed_taps(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[Sparse, ...]:
    """A_t: (out, size), one where input i reaches output i·stride − padding + t·dilation."""
    return tuple(m.T for m in tap_matrices(out, size, kernel, stride, padding, dilation))


def each_of(value: Any, n: int) -> list[int]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    return [int(values[j % len(values)]) for j in range(n)]


def single_axis(tape: Tape, x: Moments, d: int) -> Moments:
    """x with dimension d made of one axis, on the tape."""
    if len(x.dims[d]) <= 1:
        return x
    return tape.record([x], single(x, d), lambda g: [g])


def along(tape: Tape, x: Moments, d: int, matrix: Array | Sparse) -> Moments:
    """A known linear map along dimension d."""
    x = single_axis(tape, x, d)
    if not x.dims[d]:
        y = affine(tape, x, float((matrix @ np.ones((1, 1))).mean()), 0.0)
        return expanded(tape, y, [matrix.shape[0] if n == d else -1 for n in range(len(x.shape))])
    k = x.position(d)
    y = mapped(x, k, matrix)
    return returning(tape, x, y, d, matrix)


def returning(tape: Tape, x: Moments, y: Moments, d: int, matrix: Array | Sparse) -> Moments:
    """y = A x along dimension d of x, with its way back: the transposed map."""
    like = x.dims[d][0]

    def pull(g: Moments) -> list[Moments]:
        g = single(g, d)
        here = g.position(d)
        if not g.dims[d]:
            g = g.with_(
                dims=(*g.dims[:d], (Axis(1),), *g.dims[d + 1 :]),
                mean=np.expand_dims(g.mean, here),
                pair=np.repeat(np.expand_dims(g.pair, here), 2, axis=here),
            )
        return [mapped(g, here, matrix.T, like)]

    return tape.record([x], y, pull)


def matrix_of(function: Callable[[Any], Any], size: int) -> Array:
    """The matrix of a linear operator along one dimension, found by applying it to unit vectors."""
    import torch

    return np.ascontiguousarray(function(torch.eye(size, dtype=torch.float64)).numpy().T)


def separable(tape: Tape, x: Any, n: int, per_dim: Callable[[int, int], Array | Sparse]) -> Moments:
    """Apply a separable linear operator over the last n dimensions; per_dim(j, size) is its matrix."""
    x = as_moments(x)
    first = len(x.shape) - n
    for j in range(n):
        x = along(tape, x, first + j, per_dim(j, x.shape[first + j]))
    return x
