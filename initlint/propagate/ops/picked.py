"""Entries picked from a tensor along one dimension, other ones in every row: gathers.

Law: two picked entries are at the same place along the dimension with the probability that their indices agree; that is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from initlint.propagate.axes import Array, Axis, Labels
from initlint.propagate.moments import Dims, Moments, replaced
from initlint.propagate.ops.embed import equal_share
from initlint.propagate.ops.gather import single
from initlint.propagate.ops.registry import CannotPredict, as_moments, transfer
from initlint.propagate.ops.view import expanded, taken
from initlint.propagate.sparse import Sparse
from initlint.propagate.tape import Known, Tape


@transfer("gather")
def gather(tape: Tape, x: Any, dim: int, indices: Any, **kwargs: Any) -> Moments:
    """x[u, index[u, a]], where u stands for the indices along all other dimensions."""
    if not isinstance(indices, Known):
        raise CannotPredict("indices that are not known")
    x = as_moments(x)
    d = x.dim(dim)
    shape = indices.shape
    for n, size in enumerate(shape):
        if n != d and size != x.shape[n]:
            x = taken(tape, x, n, np.arange(size))
    if not x.dims[d]:
        return expanded(tape, x, shape)
    rows = same_everywhere(indices, d)
    if rows is not None:
        from initlint.propagate.ops.scatter import moved_along

        if len(rows) == 1 or bool((np.diff(rows) > 0).all()):
            return taken(tape, x, d, rows)
        return moved_along(tape, x, d, Sparse((len(rows), x.shape[d]), np.arange(len(rows)), rows))
    before = x
    x = single(x, d)
    k = x.position(d)
    x = x.coarsened(k)
    here = x.axes[k]
    share, varying = share_of_indices(indices)
    picked: tuple[Axis, ...] = (Axis(shape[d], None, here.role),) if shape[d] > 1 else ()
    dims = replaced(x.dims, k, picked)
    agree = by_state(share, varying, dims)
    same, different = (np.take(x.pair, [s], axis=k) if picked else np.take(x.pair, s, axis=k) for s in (0, 1))
    pair = agree * same + (1.0 - agree) * different
    mean, valid = (v if picked or v is None else v.squeeze(k) for v in (x.mean, x.valid))
    y = x.with_(dims=dims, mean=mean, pair=pair, valid=valid)

    def pull(g: Moments) -> list[Moments]:
        g = single(g, d)
        at = g.position(d)
        if g.dims[d]:
            g = g.coarsened(at)
        own = by_state(share, varying, g.dims)
        parts = [g.pair * own, g.pair * (1.0 - own)]
        if g.dims[d]:  # a place collects what all that picked it send
            parts = [np.tensordot(part, g.axes[at].pairs, (at, 0)) for part in parts]
        pair = np.stack([parts[0] / here.size, parts[1] / (here.size * (here.size - 1.0))], axis=at)
        mean = g.mean if g.dims[d] else np.expand_dims(g.mean, at)
        return [Moments((*g.dims[:d], (here,), *g.dims[d + 1 :]), mean, pair)]

    return tape.record([before], y, pull)


def same_everywhere(indices: Known, d: int) -> Labels | None:
    """The indices along dimension d, where they do not depend on the others."""
    if indices.distinct:
        return None
    rows = indices.tensor.movedim(d, 0).reshape(indices.shape[d], -1)
    return np.asarray(rows[:, 0].numpy(), dtype=np.int64) if bool((rows == rows[:, :1]).all()) else None


def share_of_indices(indices: Known) -> tuple[Array, list[int]]:
    """Share of pairs that agree, by "same" and "different" of the dimensions along which indices vary; and these dimensions."""
    tensor = indices.tensor
    varying = []
    for d, size in enumerate(tensor.shape):
        if size > 1 and (indices.distinct or not bool((tensor == tensor.narrow(d, 0, 1)).all())):
            varying.append(d)
        else:
            tensor = tensor.narrow(d, 0, 1)
    return equal_share(Known(tensor.contiguous(), indices.distinct))[1], varying


def by_state(share: Array, varying: Sequence[int], dims: Dims) -> Array:
    """`share` by the pair states of tensors with dimensions `dims`: two indices differ if they do along any of the axes."""
    rank = sum(len(axes) for axes in dims)
    index = []
    start = 0
    for d, axes in enumerate(dims):
        equal = np.ones((1,) * rank, dtype=bool)
        for n, axis in enumerate(axes, start):
            equal = equal & (np.arange(axis.states) < axis.groups).reshape([-1 if m == n else 1 for m in range(rank)])
        start += len(axes)
        if d in varying:
            index.append(1 - equal.astype(np.int64))
    return share[tuple(index)] if index else np.broadcast_to(share, (1,) * rank)
