"""Table look-ups: embeddings, and indexing with tensors.

Law: two looked-up rows are the same row with the probability that their indices agree; otherwise they are two different
rows of the table. For token ids drawn uniformly from V that probability is 1/V; for known indices it is counted.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from initlint.propagate.axes import Array, Axis
from initlint.propagate.lineage import SLICES, VIEWS, Made, bare
from initlint.propagate.moments import Dims, Moments
from initlint.propagate.ops.arithmetic import MASKED, is_mask
from initlint.propagate.ops.gather import single
from initlint.propagate.ops.matrix import product
from initlint.propagate.ops.registry import CannotPredict, as_moments, scalar_of, transfer
from initlint.propagate.ops.view import permuted, reshaped, taken
from initlint.propagate.sparse import Sparse
from initlint.propagate.tape import Known, Tape

if TYPE_CHECKING:
    import torch

COMPARED = 1024  # indices compared with each other to count equal ones
DEEPEST = 6  # views between a look-up and its mask
LEAST = 1e-9  # share of pairs that is none


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
    return dims, _counted(values.reshape(sizes), values.reshape(sizes))


def common_share(first: Known, second: Known) -> tuple[Dims, Array]:
    """The same for an index of one tensor and one of another, which are broadcast against each other.

    Indices drawn at random agree as two of one tensor do where both tensors are one, and by chance elsewhere.
    """
    if first.distinct or second.distinct:
        dims, share = equal_share(Known(first.tensor.broadcast_to(np.broadcast_shapes(first.shape, second.shape)), max(first.distinct, second.distinct)))
        if first.shape != second.shape or not bool((first.tensor == second.tensor).all()):
            share = np.full_like(share, share[(1,) * share.ndim] if share.ndim else 1.0 / max(first.distinct, second.distinct))
        return dims, share
    one, other = np.broadcast_arrays(first.tensor.numpy(), second.tensor.numpy())
    dims, _ = equal_share(Known(first.tensor.new_zeros(one.shape)))
    sizes = [n for n in one.shape if n > 1]
    return dims, _counted(one.reshape(sizes), other.reshape(sizes))


def _counted(one: npt.NDArray[Any], other: npt.NDArray[Any], where: npt.NDArray[Any] | None = None) -> Array:
    """The share of pairs of an entry of one array and one of another of its shape that are equal, by pair state of their places.

    where  the places whose entries are counted; the others are equal to none
    """
    while one.size > COMPARED * 4:  # thin the longest dimension
        d = int(np.argmax(one.shape))
        second = np.arange(0, one.shape[d], 2)
        one, other = np.take(one, second, axis=d), np.take(other, second, axis=d)
        where = None if where is None else np.take(where, second, axis=d)
    share = np.ones((2,) * one.ndim)
    every = np.unique(np.concatenate([one.reshape(-1), other.reshape(-1)]), return_inverse=True)[1].astype(np.int64)
    numbers = every[: one.size].reshape(one.shape), every[one.size :].reshape(one.shape)
    for state in itertools.product((0, 1), repeat=one.ndim):  # pairs with one place along all dimensions that are not in the state
        places = numbers
        for d, n in enumerate(one.shape):
            if not state[d]:
                along = np.arange(n).reshape([-1 if m == d else 1 for m in range(one.ndim)])
                places = places[0] * n + along, places[1] * n + along
        (first, counts), (last, others) = (np.unique(place if where is None else place[where], return_counts=True) for place in places)
        _, left, right = np.intersect1d(first, last, assume_unique=True, return_indices=True)
        share[state] = float(counts[left] @ others[right])
    for d, n in enumerate(one.shape):  # less those with one place there, too
        same, different = np.take(share, 0, axis=d), np.take(share, 1, axis=d)
        pairs = max(n * (n - 1), 1)
        different = (different - same) / pairs if n > 1 else same
        share = np.stack([same / n, different], axis=d)
    return share


def looked_up(tape: Tape, table: Moments, indices: Known) -> Moments:
    """table[indices] along its first dimension."""
    before = table
    table = single(table, 0)
    if not table.dims[0]:
        return as_broadcast(tape, table, indices)
    table = table.coarsened(0)
    dims, share = equal_share(indices)
    pair = _met(table.pair, share)
    lead = sum(len(d) for d in dims)
    mean = np.broadcast_to(table.mean[0], (1,) * lead + table.mean.shape[1:])
    y = Moments((*dims, *table.dims[1:]), mean, pair, method=table.method, flags=table.flags)
    y.zeros, y.positive = table.zeros, table.positive

    def pull(g: Moments) -> list[Moments]:
        return [_collected(g, table.dims[0], dims, _among_seen(tape, y, indices, share))]

    return tape.record([before], y, pull)


def _met(pair: Array, share: Array) -> Array:
    """Pair moments of rows of a table, by pair state of its rows first, that are the same row with this probability."""
    shape = (...,) + (None,) * (pair.ndim - 1)
    return np.asarray(share[shape] * pair[0] + (1.0 - share[shape]) * pair[1])


def _among_seen(tape: Tape, y: Moments, indices: Known, share: Array) -> Array:
    """The share of pairs of indices that are equal, of those at places where a mask behind the look-up lets cotangents through.

    The others send nothing back, and have no part in what the pairs of a state send on average: behind a causal mask all places to come
    may have one index, as distances in T5.
    """
    seen = None if indices.distinct else _seen(tape, y, indices)
    if seen is None or seen.all() or not seen.any():
        return share
    sizes = [n for n in indices.shape if n > 1]
    values, seen = indices.tensor.numpy().reshape(sizes), seen.reshape(sizes)
    every = _counted(np.zeros_like(values), np.zeros_like(values), seen)
    return np.divide(_counted(values, values, seen), every, out=share.copy(), where=every > LEAST)


def _seen(tape: Tape, y: Moments, indices: Known) -> npt.NDArray[Any] | None:
    """Which places of an index tensor, of which y is the look-up, the masks behind it show; None where someone reads it without one."""
    import torch

    found = np.zeros(indices.tensor.numel(), dtype=bool)
    every = torch.arange(found.size).reshape([*indices.shape, *[1] * (len(y.shape) - len(indices.shape))]).expand(y.shape)
    waiting = [(y, every, DEEPEST)]
    while waiting:
        z, places, depth = waiting.pop()
        uses = [r for r, _ in tape.uses.get(id(bare(z)[0]), ())]
        if not uses or not depth:
            return None
        for r in uses:
            made = r.made
            assert made is not None
            if made.name in VIEWS | SLICES and made.piece is None:
                waiting.append((r, getattr(torch.ops.aten, made.name)(places, *made.args[1:], **made.kwargs), depth - 1))
            elif (mask := _shown(made)) is None:
                return None
            else:
                found[places.expand(r.shape)[mask.expand(r.shape)].numpy()] = True
    return found.reshape(indices.shape)


def _shown(made: Made) -> torch.Tensor | None:
    """Which entries a call lets through that fills others with numbers no softmax sees; None for other calls."""
    first, *rest = made.args[:3]
    if made.name == "add":
        return next((a.tensor > MASKED for a in (first, *rest[:1]) if is_mask(a)), None)
    if made.name == "masked_fill" and isinstance(rest[0], Known):
        return None if (scalar_of(rest[1]) or 0.0) > MASKED else ~rest[0].tensor.bool()
    if made.name == "where" and isinstance(first, Known):
        shown, filled = first.tensor.bool(), [scalar_of(a) for a in rest]
        return next((shown if n else ~shown for n, number in enumerate(filled) if number is not None and number <= MASKED), None)
    return None


def _collected(g: Moments, row: tuple[Axis, ...], dims: Dims, share: Array) -> Moments:
    """What rows get of cotangents at places that are the same row with this probability: numel/rows of them, coherent or not."""
    for d in range(len(dims)):
        g = single(g, d)
        if g.dims[d]:
            g = g.coarsened(g.position(d))
    weights = np.array(1.0)
    for axis in (axis for dim in dims for axis in dim):
        weights = np.multiply.outer(weights, axis.pairs)
    rows, every = row[0].size, range(share.ndim)
    same = np.tensordot(weights * share, g.pair, (every, every)) / rows
    different = np.tensordot(weights * (1.0 - share), g.pair, (every, every)) / max(rows * (rows - 1), 1)
    return Moments((row, *g.dims[len(dims) :]), np.zeros((1, *g.mean.shape[share.ndim :])), np.stack([same, different]))


def covariance_of_look_ups(table: Moments, first: Known, second: Known) -> Moments | None:
    """Cov of the rows of one table at two tensors of indices; None for a table of one row."""
    table = single(table, 0)
    if not table.dims[0]:
        return None
    table = table.coarsened(0)
    dims, share = common_share(first, second)
    pair = _met(table.centered(), share)
    return Moments((*dims, *table.dims[1:]), np.zeros((1,) * share.ndim + table.mean.shape[1:]), pair)


def returning_to_rows(table: Moments, first: Known, second: Known, c: Moments) -> Moments | None:
    """What a table gets of the covariance of the cotangents of two look-ups in it; None for a table of one row."""
    row = single(table, 0).dims[0]
    dims, share = common_share(first, second)
    rank = len(dims)
    if not row or c.shape[:rank] != tuple(math.prod([axis.size for axis in dim]) for dim in dims):
        return None
    return _collected(c, (Axis(row[0].size, None, row[0].role),), dims, share)


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
