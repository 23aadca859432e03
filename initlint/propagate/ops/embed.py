"""Table look-ups: embeddings, and indexing with tensors.

Law: two looked-up rows are the same row with the probability that their indices agree; otherwise they are two different
rows of the table. For token ids drawn uniformly from V that probability is 1/V; for known indices it is counted.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from initlint.propagate.axes import Array, Axis
from initlint.propagate.moments import Dims, Moments
from initlint.propagate.ops.gather import single
from initlint.propagate.ops.matrix import product
from initlint.propagate.ops.registry import CannotPredict, as_moments, transfer
from initlint.propagate.ops.view import permuted, reshaped, taken
from initlint.propagate.sparse import Sparse
from initlint.propagate.tape import Known, Tape

COMPARED = 1024  # indices compared with each other to count equal ones


def equal_share(indices: Known, role: bool = True) -> tuple[Dims, Array]:
    """Axes of an index tensor and, by pair state, the share of pairs of indices that are equal."""
    values = indices.tensor.numpy()
    dims: Dims = tuple(
        (Axis(n, None, "batch" if role and d == 0 and values.ndim > 1 else "position"),) if n > 1 else () for d, n in enumerate(values.shape)
    )
    sizes = [n for n in values.shape if n > 1]
    share = np.ones((2,) * len(sizes))
    if indices.distinct:
        share[:] = 1.0 / indices.distinct
        share[(0,) * len(sizes)] = 1.0
        return dims, share
    values = values.reshape(sizes)
    while values.size > COMPARED * 4:  # thin the longest dimension
        d = int(np.argmax(values.shape))
        values = np.take(values, np.arange(0, values.shape[d], 2), axis=d)
    number = np.unique(values, return_inverse=True)[1].reshape(values.shape).astype(np.int64)
    for state in itertools.product((0, 1), repeat=values.ndim):  # pairs with one place along all dimensions that are not in the state
        place = number
        for n, d in zip(values.shape, range(values.ndim), strict=True):
            if not state[d]:
                place = place * n + np.arange(n).reshape([-1 if m == d else 1 for m in range(values.ndim)])
        share[state] = float((np.unique(place, return_counts=True)[1] ** 2).sum())
    for d, n in enumerate(values.shape):  # less those with one place there, too
        same, different = np.take(share, 0, axis=d), np.take(share, 1, axis=d)
        pairs = max(n * (n - 1), 1)
        different = (different - same) / pairs if n > 1 else same
        share = np.stack([same / n, different], axis=d)
    return dims, share


def looked_up(tape: Tape, table: Moments, indices: Known) -> Moments:
    """table[indices] along its first dimension."""
    before = table
    rows = table.shape[0]
    table = single(table, 0)
    if not table.dims[0]:
        return as_broadcast(tape, table, indices)
    table = table.coarsened(0)
    dims, share = equal_share(indices)
    rank = share.ndim
    same, different = table.pair[0], table.pair[1]
    shape = (...,) + (None,) * same.ndim
    pair = share[shape] * same + (1.0 - share[shape]) * different
    lead = sum(len(d) for d in dims)
    mean = np.broadcast_to(table.mean[0], (1,) * lead + table.mean.shape[1:])
    y = Moments((*dims, *table.dims[1:]), mean, pair, method=table.method, flags=table.flags)
    y.zeros, y.positive = table.zeros, table.positive

    def pull(g: Moments) -> list[Moments]:
        for d in range(len(dims)):
            g = single(g, d)
            if g.dims[d]:
                g = g.coarsened(g.position(d))
        # a row collects the cotangents of the places where it occurs: numel/rows of them, coherent or not
        weights = np.array(1.0)
        for axis in (axis for dim in dims for axis in dim):
            weights = np.multiply.outer(weights, axis.pairs)
        total = np.tensordot(weights * share, g.pair, (range(rank), range(rank))) / rows
        every = np.tensordot(weights * (1.0 - share), g.pair, (range(rank), range(rank))) / max(rows * (rows - 1), 1)
        return [Moments((table.dims[0], *g.dims[len(dims) :]), np.zeros((1, *g.mean.shape[lead:])), np.stack([total, every]))]

    return tape.record([before], y, pull)


def as_broadcast(tape: Tape, table: Moments, indices: Known) -> Moments:
    """A table with a single row, looked up everywhere."""
    from initlint.propagate.ops.view import expanded

    wide = reshaped(tape, table, [*(1,) * len(indices.shape), *table.shape[1:]])
    return expanded(tape, wide, [*indices.shape, *table.shape[1:]])


@transfer("embedding")
def embedding(tape: Tape, table: Any, indices: Any, padding: int = -1, *args: Any) -> Moments:
    """Rows of a table. Indices that stand among floating inputs, as places of patches do, are taken as any row alike."""
    import torch

    table = as_moments(table)
    if isinstance(indices, Moments):
        generator = torch.Generator().manual_seed(len(tape.entries))
        indices = Known(torch.randint(table.shape[0], indices.shape, generator=generator), distinct=table.shape[0])
    if not isinstance(indices, Known):
        raise CannotPredict("indices that are not known")
    return looked_up(tape, table, indices)


@transfer("_grouped_mm", "transformers::grouped_mm_fallback")
def grouped_matmul(tape: Tape, x: Any, weight: Any, ends: Any = None, bias: Any = None, *args: Any, offs: Any = None) -> Moments:
    """Rows sorted by expert, each times the weight of its own: weights looked up by row, then a product.

    `ends` has the row at which each expert's share stops; where it is not known, the shares are taken as equal.
    """
    import torch

    ends = offs if ends is None else ends
    x, weight = as_moments(x), as_moments(weight)
    if len(x.shape) != 2 or len(weight.shape) != 3 or bias is not None:
        raise CannotPredict("a grouped product other than rows by experts")
    experts, rows = weight.shape[0], torch.arange(x.shape[0])
    if isinstance(ends, Known):
        expert = torch.searchsorted(ends.tensor.to(rows.dtype).contiguous(), rows, right=True).clamp(max=experts - 1)
    else:
        expert = rows * experts // len(rows)
    return product(tape, x, looked_up(tape, weight, Known(expert)), "XY", "XYZ", "XZ")


@transfer("embedding_bag", "_embedding_bag")
def embedding_bag(tape: Tape, *args: Any, **kwargs: Any) -> Any:
    raise CannotPredict("bags of embeddings")


@transfer("index_select")
def index_select(tape: Tape, x: Any, dim: int, indices: Any) -> Moments:
    x = as_moments(x)
    return _select_along(tape, x, x.dim(dim), indices)


def _select_along(tape: Tape, x: Moments, d: int, indices: Any) -> Moments:
    if not isinstance(indices, Known):
        raise CannotPredict("indices that are not known")
    values = indices.tensor
    if values.dim() == 1 and len(set(values.tolist())) == values.numel() and not indices.distinct:
        order = np.asarray(values % x.shape[d])
        if np.all(np.diff(order) > 0):
            return taken(tape, x, d, order)
    y = rows_along(tape, x, d, indices)
    from initlint.propagate.ops.scatter import remember

    if d == 0:
        remember(tape, x, d, indices, y)
    return y


def rows_along(tape: Tape, x: Moments, d: int, indices: Known) -> Moments:
    """x at known indices along dimension d, which becomes the dimensions of `indices`."""
    if x.dims[d] and any(axis.labels is not None for axis in x.dims[d]) and len(indices.shape) == 1 and not indices.distinct:
        from initlint.propagate.ops.scatter import moved_along  # rows of different kinds: which is taken matters

        rows = np.asarray(indices.tensor % x.shape[d])
        return moved_along(tape, x, d, Sparse((len(rows), x.shape[d]), np.arange(len(rows)), rows))
    order = [d, *(n for n in range(len(x.dims)) if n != d)]
    y = looked_up(tape, permuted(tape, x, order), indices)
    rank = len(indices.shape)
    back = [*range(rank, rank + d), *range(rank), *range(rank + d, len(y.dims))]
    return permuted(tape, y, back)


@transfer("_unsafe_masked_index")
def masked_index(tape: Tape, x: Any, mask: Any, indices: Any, fill: Any) -> Any:
    """x at these indices, `fill` where the mask does not hold."""
    from initlint.propagate.ops.choice import where

    return where(tape, mask, index(tape, x, indices), fill)


@transfer("index", "_unsafe_index")
def index(tape: Tape, x: Any, indices: Any) -> Moments:
    x = as_moments(x)
    used = [(d, i) for d, i in enumerate(indices) if i is not None]
    if not used:
        return x
    known = [i for _, i in used]
    if not all(isinstance(i, Known) for i in known):
        raise CannotPredict("indices that are not known")
    if len(used) == 1:
        d, i = used[0]
        if i.tensor.dtype.is_floating_point or str(i.tensor.dtype) == "torch.bool":
            return _masked_select(tape, x, d, i)
        return _select_along(tape, x, d, i)
    first, last = used[0][0], used[-1][0]
    if [d for d, _ in used] != list(range(first, last + 1)) or any(str(i.tensor.dtype) == "torch.bool" for i in known):
        raise CannotPredict("indices apart from each other")
    import torch

    # several index tensors side by side are one index into the dimensions taken together
    sizes = x.shape[first : last + 1]
    flat = torch.zeros((), dtype=torch.long)
    for size, i in zip(sizes, known, strict=True):
        flat = flat * size + (i.tensor % size)
    y = reshaped(tape, x, [*x.shape[:first], int(np.prod(sizes)), *x.shape[last + 1 :]])
    return _select_along(tape, y, first, Known(flat))


def _masked_select(tape: Tape, x: Moments, d: int, mask: Known) -> Moments:
    values = mask.tensor.bool()
    if values.dim() > 1:
        rank = values.dim()
        x = reshaped(tape, x, [*x.shape[:d], int(np.prod(x.shape[d : d + rank])), *x.shape[d + rank :]])
        values = values.reshape(-1)
    return taken(tape, x, d, np.flatnonzero(values.numpy()))
