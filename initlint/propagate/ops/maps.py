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
from initlint.propagate.moments import Moments, replaced
from initlint.propagate.near import through_map
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


PHASES = 4  # indices of an inner axis that are told apart at most: a patch of two or four pixels
NOTABLE = 0.02  # share of E[x²] that entries at equal indices of it must have in common more than others


def in_phases(tape: Tape, x: Moments, d: int) -> Moments:
    """As `single_axis`, but pixels at equal places of small patches stay told apart if they have more in common than others.

    Patches that attention ran over place by place (MobileViT) come back as pixels of which every second one along each
    dimension shares a part: what a strided convolution reads together.
    """
    if len(x.dims[d]) <= 1:
        return x
    y = x
    while len(y.dims[d]) > 2:
        y = y.merged(y.position(d))
    return tape.record([x], merged_in_phases(y, y.position(d)), lambda g: [g])


def merged_in_phases(x: Moments, k: int) -> Moments:
    """Axes k and k+1 as one, in groups by the index along axis k+1 where that matters."""
    y = x.merged(k)
    inner = x.axes[k + 1].size
    if inner > PHASES or x.valid is not None or x.both is not None:
        return y
    pair = np.moveaxis(x.coarsened(k).coarsened(k + 1).pair, (k, k + 1), (0, 1))
    own = tuple(slice(0, axis.groups) for n, axis in enumerate(x.axes) if n not in (k, k + 1))
    if np.abs(pair[1, 0][own] - pair[1, 1][own]).mean() <= NOTABLE * x.q:
        return y
    outer = x.axes[k].size
    phase = np.arange(inner)
    axis = Axis(outer * inner, np.tile(phase, outer), x.axes[k + 1].role)
    other = (pair[0, 1] + (outer - 1.0) * pair[1, 1]) / outer
    states = [pair[0, 0]] * inner + [pair[1, 0] if row == column else other for row in phase for column in phase]
    return y.with_(
        dims=replaced(y.dims, k, (axis,)), mean=np.repeat(y.mean, inner, axis=k), pair=np.moveaxis(np.stack(states), 0, k)
    )


def along(tape: Tape, x: Moments, d: int, matrix: Array | Sparse) -> Moments:
    """A known linear map along dimension d."""
    x = single_axis(tape, x, d)
    if not x.dims[d]:
        y = affine(tape, x, float((matrix @ np.ones((1, 1))).mean()), 0.0)
        return expanded(tape, y, [matrix.shape[0] if n == d else -1 for n in range(len(x.shape))])
    k = x.position(d)
    y = through_map(x, mapped(x, k, matrix), d, matrix)
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
        return [through_map(g, mapped(g, here, matrix.T, like), d, matrix.T)]

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
