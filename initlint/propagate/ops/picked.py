"""Entries picked from a tensor, or written to it, at known places: gathers, writes by index, overlapping windows.

Law: two picked entries are at the same place along a dimension with the probability that their indices agree; that is counted.
What is written to some places is independent of what is kept at the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from initlint.propagate.axes import Array, Axis, Labels
from initlint.propagate.moments import Dims, Moments, align, constant, replaced
from initlint.propagate.ops.arithmetic import MASKED, added
from initlint.propagate.ops.choice import mixture, where
from initlint.propagate.ops.embed import equal_share, rows_along
from initlint.propagate.ops.gather import single
from initlint.propagate.ops.ranked import in_order_of, ranked
from initlint.propagate.ops.registry import CannotPredict, as_moments, scalar_of, transfer
from initlint.propagate.ops.view import expanded, overwritten, permuted, relabelled, reshaped, same, taken
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
    order = in_order_of(x, d, indices)
    if order is not None and order.ranks is not None:
        return ranked(tape, x, d, order.ranks, order.of)
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
    y = picked(x, d, shape[d], share, varying)
    return tape.record([before], y, lambda g: [placed(g, d, here, share, varying)])


@transfer("take_along_dim")
def take_along_dim(tape: Tape, x: Any, indices: Any, dim: int | None = None) -> Moments:
    """A gather whose two sides are broadcast against each other."""
    x = as_moments(x)
    if not isinstance(indices, Known):
        raise CannotPredict("indices that are not known")
    if dim is None:
        return gather(tape, reshaped(tape, x, [int(np.prod(x.shape))]), 0, Known(indices.tensor.reshape(-1), indices.distinct))
    d = x.dim(dim)
    sizes = [1 if n == d else max(a, b) for n, (a, b) in enumerate(zip(x.shape, indices.shape, strict=True))]
    x = expanded(tape, x, [x.shape[d] if n == d else size for n, size in enumerate(sizes)])
    shape = [indices.shape[d] if n == d else size for n, size in enumerate(sizes)]
    if tuple(shape) != indices.shape:
        indices = Known(indices.tensor.expand(shape), indices.distinct)
    return gather(tape, x, d, indices)


def picked(x: Moments, d: int, count: int, share: Array, varying: Sequence[int]) -> Moments:
    """`count` entries at random places along dimension d, which is one axis with one group."""
    k = x.position(d)
    axes: tuple[Axis, ...] = (Axis(count, None, x.axes[k].role),) if count > 1 else ()
    dims = replaced(x.dims, k, axes)
    agree = by_state(share, varying, dims)
    same, different = (np.take(x.pair, [s], axis=k) if axes else np.take(x.pair, s, axis=k) for s in (0, 1))
    mean, valid = (v if axes or v is None else v.squeeze(k) for v in (x.mean, x.valid))
    return x.with_(dims=dims, mean=mean, pair=agree * same + (1.0 - agree) * different, valid=valid)


def placed(g: Moments, d: int, axis: Axis, share: Array, varying: Sequence[int]) -> Moments:
    """What entries come to along dimension d where each is added at the place of its index: the transpose of a gather."""
    g = single(g, d)
    at = g.position(d)
    if g.dims[d]:
        g = g.coarsened(at)
    agree = by_state(share, varying, g.dims)
    parts, mean = [g.pair * agree, g.pair * (1.0 - agree)], g.mean
    if g.dims[d]:  # a place collects what all that picked it send
        parts = [np.tensordot(part, g.axes[at].pairs, (at, 0)) for part in parts]
        mean = mean * g.axes[at].size
    else:
        mean = np.expand_dims(mean, at)
    pair = np.stack([parts[0] / axis.size, parts[1] / (axis.size * (axis.size - 1.0))], axis=at)
    return Moments((*g.dims[:d], (axis,), *g.dims[d + 1 :]), mean / axis.size, pair)


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


@transfer("scatter")
def scatter(tape: Tape, x: Any, dim: int, indices: Any, source: Any = None, *args: Any, value: Any = None, reduce: Any = None) -> Any:
    """x with other entries at some places along one dimension, different ones in every row.

    Where everything else is far below zero, the chosen entries are those that a softmax sees.
    """
    if not isinstance(indices, Known) or reduce is not None:
        raise CannotPredict("indices that are not known")
    source = value if source is None else source
    base, source = as_moments(x), as_moments(source)
    d = base.dim(dim)
    shape = indices.shape
    if any(n != m for k, (n, m) in enumerate(zip(shape, base.shape, strict=True)) if k != d) or not base.dims[d]:
        raise CannotPredict("a scatter of a part")
    for k, size in enumerate(shape):
        if len(source.shape) and size < source.shape[k]:
            source = taken(tape, source, k, np.arange(size))
    source = expanded(tape, source, shape)
    floor = scalar_of(x)
    hidden = floor is not None and floor <= MASKED
    rows = same_everywhere(indices, d)
    if rows is not None and len(set(rows)) == len(rows) and not hidden:
        order = np.argsort(rows)
        arranged = tape.record([source], relabelled(source, d, order).with_(), lambda g: [relabelled(g, d, np.argsort(order))])
        return written(tape, base, arranged, {d: rows[order]})
    share, varying = share_of_indices(indices)
    axis = Axis(base.shape[d], None, single(base, d).dims[d][0].role)
    put, chosen = align(placed(source, d, axis, share, varying), placed(constant(shape, 1.0), d, axis, share, varying))
    y = source.with_(dims=put.dims, mean=divided(put.mean, chosen.mean), pair=divided(put.pair, chosen.pair), valid=None)

    def pull(g: Moments) -> list[Moments]:
        g, those = align(single(g, d), chosen)  # nothing comes from places that were not chosen
        g = g.with_(pair=divided(g.pair, those.pair))
        return [picked(g.coarsened(g.position(d)), d, shape[d], share, varying)]

    if hidden:
        y.valid, y.both, y.fill = chosen.mean, chosen.pair, float(floor or 0.0)
        return tape.record([source], y, pull)
    return mixture(tape, chosen, tape.record([source], y, pull), base)


def divided(x: Array, y: Array) -> Array:
    """x/y, and nothing where y is zero."""
    return np.divide(x, y, out=np.zeros(np.broadcast_shapes(x.shape, y.shape)), where=np.broadcast_to(y > 1e-300, np.broadcast_shapes(x.shape, y.shape)))


# -- writes by index --------------------------------------------------------------------------------------------------------


@transfer("index_put", "_unsafe_index_put")
def index_put(tape: Tape, x: Any, indices: Sequence[Any], values: Any, accumulate: bool = False, *args: Any) -> Any:
    """x with `values` at some places, which a mask or integers for each of the first dimensions name."""
    used = [(d, i) for d, i in enumerate(indices) if i is not None]
    if not all(isinstance(i, Known) for _, i in used):
        raise CannotPredict("indices that are not known")
    x = as_moments(x)
    first = used[0][0]
    if len(used) == 1 and used[0][1].tensor.dtype == torch_bool():
        mask = used[0][1].tensor
        if scalar_of(values) is not None and not accumulate:
            trailing = len(x.shape) - first - mask.dim()
            return where(tape, Known(mask.reshape(*mask.shape, *(1,) * trailing)), scalar_of(values), x)
        coordinates = list(mask.nonzero().T)
    else:
        coordinates = [i.tensor for _, i in used]
        if [d for d, _ in used] != list(range(first, first + len(used))) or any(c.dtype == torch_bool() for c in coordinates):
            raise CannotPredict("indices apart from each other")
    last = first + len(coordinates)
    arrays = np.broadcast_arrays(*(c.numpy() for c in coordinates))
    sizes, lead, trail = x.shape[first:last], x.shape[:first], x.shape[last:]
    flat = np.ravel_multi_index([a.reshape(-1) % n for a, n in zip(arrays, sizes, strict=True)], sizes)
    source = expanded(tape, as_moments(values), [*lead, *arrays[0].shape, *trail])
    source = reshaped(tape, source, [*lead, len(flat), *trail])
    if len(flat) == 0:
        return same(tape, x)
    places, order = np.unique(flat, return_index=True)
    if len(places) < len(flat):
        if not accumulate:
            raise CannotPredict("one place written several times")
        from initlint.propagate.ops.scatter import scattered

        wide = reshaped(tape, x, [*lead, int(np.prod(sizes)), *trail])
        return reshaped(tape, scattered(tape, wide, first, Known(torch_of(flat)), source), x.shape)
    if np.any(np.diff(order) < 0):
        unsorted = source
        source = tape.record([unsorted], relabelled(source, first, order).with_(), lambda g: [relabelled(g, first, np.argsort(order))])
    chosen = [np.unique(c) for c in np.unravel_index(places, sizes)]
    base = constant(x.shape, 0.0) if accumulate else x
    if int(np.prod([len(c) for c in chosen])) == len(places):  # all combinations of some indices of each dimension
        source = reshaped(tape, source, [*lead, *(len(c) for c in chosen), *trail])
        y = written(tape, base, source, {first + n: c for n, c in enumerate(chosen)})
    else:
        wide = reshaped(tape, base, [*lead, int(np.prod(sizes)), *trail])
        y = reshaped(tape, written(tape, wide, source, {first: places}), x.shape)
    return added(tape, x, y) if accumulate else y


def written(tape: Tape, x: Moments, source: Moments, places: Mapping[int, Labels]) -> Moments:
    """x with `source` at all combinations of the indices given for some dimensions."""
    partial = [d for d, indices in places.items() if len(indices) < x.shape[d]]
    if not partial:
        return expanded(tape, source, x.shape)
    d = partial[0]
    if len(partial) > 1:
        source = written(tape, taken(tape, x, d, places[d]), source, {n: places[n] for n in partial[1:]})
    return overwritten(tape, x, source, d, places[d])


# -- windows ----------------------------------------------------------------------------------------------------------------


@transfer("as_strided")
def as_strided(
    tape: Tape, x: Any, size: Sequence[int], stride: Sequence[int], offset: int | None = None, *,
    strides: Sequence[int] | None = None, start: int = 0,
) -> Moments:  # fmt: skip
    """Memory read in other steps. `strides` and `start` are those of x itself, contiguous if not given.

    Each dimension of the result walks along one dimension of x; several together make windows, which may overlap.
    """
    x = as_moments(x)
    if strides is None:
        strides = [int(np.prod(x.shape[d + 1 :])) for d in range(len(x.shape))]
    order = sorted((d for d in range(len(x.shape)) if x.shape[d] > 1), key=lambda d: -strides[d])
    runs = walked([(x.shape[d], strides[d]) for d in order], size, stride)
    y = permuted(tape, x, [*order, *(d for d in range(len(x.shape)) if d not in order)])
    y = reshaped(tape, y, [run.size for run in runs])
    rest = (start if offset is None else offset) - start
    axes: list[int] = []
    for run in runs:
        index = np.full((1,) * len(run.walks), rest // run.step)
        rest %= run.step
        for m, k in enumerate(run.walks):
            steps = np.arange(size[k]) * (stride[k] // run.step)
            index = index + steps.reshape([-1 if q == m else 1 for q in range(len(run.walks))])
        if index.min() < 0 or index.max() >= run.size:
            raise CannotPredict("a window beyond its dimension")
        y = windowed(tape, y, len(axes), index)
        axes += run.walks
    return reshaped(tape, permuted(tape, y, [int(n) for n in np.argsort(axes)]), size)


@dataclass(slots=True)
class Run:
    """Entries at equal steps of memory, and the dimensions of the result that walk along them."""

    size: int
    step: int
    walks: list[int] = field(default_factory=list)


def walked(dims: Sequence[tuple[int, int]], size: Sequence[int], stride: Sequence[int]) -> list[Run]:
    """The runs of a tensor with these (size, step), which become one where a walk crosses from one to the next."""
    runs = [Run(n, step) for n, step in dims]
    while True:
        for run in runs:
            run.walks = []
        for k, (count, step) in enumerate(zip(size, stride, strict=True)):
            if count == 1:
                continue
            below = next((r for r in runs if r.step <= step), None)
            if below is None or step % below.step:
                raise CannotPredict("steps that are none of the tensor's own")
            below.walks.append(k)
        reach = [sum((size[k] - 1) * stride[k] for k in run.walks) for run in runs]
        beyond = next((n for n, run in enumerate(runs) if reach[n] >= run.size * run.step), None)
        if beyond is None:
            return runs
        inner = runs[beyond]
        if beyond == 0 or runs[beyond - 1].step != inner.size * inner.step:
            raise CannotPredict("a window beyond its dimension")
        runs[beyond - 1 : beyond + 1] = [Run(runs[beyond - 1].size * inner.size, inner.step)]


def windowed(tape: Tape, x: Moments, d: int, index: Labels) -> Moments:
    """x at a table of indices along dimension d, which becomes as many dimensions as the table has."""
    from initlint.propagate.ops.scatter import moved_along

    flat = index.reshape(-1)
    shape = [*x.shape[:d], *index.shape, *x.shape[d + 1 :]]
    if bool((np.diff(flat) > 0).all()):
        return reshaped(tape, taken(tape, x, d, flat), shape)
    if any(axis.labels is not None for axis in x.dims[d]):  # entries of different kinds: which is read how often matters
        y = moved_along(tape, x, d, Sparse((len(flat), x.shape[d]), np.arange(len(flat)), flat))
        return reshaped(tape, y, shape)
    return rows_along(tape, x, d, Known(torch_of(index)))


def torch_bool() -> Any:
    """The type of masks."""
    import torch

    return torch.bool


def torch_of(index: Labels) -> Any:
    """The same integers as a torch tensor."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(index))
