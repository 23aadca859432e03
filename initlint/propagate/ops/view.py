"""Operators that move elements without changing them: views, slices, concatenations, copies.

Law: the moments of a pair of output elements are those of the input elements they come from. Exact.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from initlint.propagate import views
from initlint.propagate.axes import Axis, Labels
from initlint.propagate.covariance import joined_covariances
from initlint.propagate.moments import Moments, constant
from initlint.propagate.ops.gather import bounded, join, place, single, take
from initlint.propagate.ops.portions import carried
from initlint.propagate.ops.registry import CannotPredict, as_moments, scalar_of, transfer
from initlint.propagate.pieces import on_piece
from initlint.propagate.pointwise import Cotangent, from_profile, profile_of, root_of
from initlint.propagate.tape import Known, Tape


@transfer("type_as")
def type_as(tape: Tape, x: Any, other: Any) -> Any:
    """The very tensor; a known one, as a condition, becomes numbers where the other is a random tensor."""
    return Known(x.tensor.float()) if isinstance(x, Known) and isinstance(other, Moments) else x


@transfer(
    "contiguous", "to", "_to_copy", "requires_grad_", "cpu", "resolve_neg", "resolve_conj", "lift_fresh", "lift", "lift_fresh_copy",
)  # fmt: skip
def itself(tape: Tape, x: Any, *args: Any, **kwargs: Any) -> Any:
    """The very tensor: torch returns its argument, so later uses of either are uses of both."""
    return x


@transfer("alias", "clone", "positive")
def same(tape: Tape, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Another tensor with the same values."""
    if isinstance(x, Moments):
        y = x.with_(affine=(x, 1.0, 0.0))
        y.shifted = x.shifted
        return tape.record_coherent([x], y, lambda g: [g])
    return x


@transfer("detach", "detach_")
def detach(tape: Tape, x: Any, *args: Any, **kwargs: Any) -> Any:
    """The same values, no gradient."""
    return x.with_(affine=(x, 1.0, 0.0)) if isinstance(x, Moments) else x


def element_of(tape: Tape, x: Moments, y: Moments, back: Callable[[Moments], Moments], index: views.Index) -> Moments:
    """y, whose elements are elements of x and functions of one source with them: cotangents stay coherent."""

    def pull(g: Cotangent) -> list[Cotangent]:
        into, at = profile_of(x).source, profile_of(y).source
        result, rest = Cotangent(), Cotangent(g.plain)
        for key, term in g.coherent.items():
            if views.place_of(term.source) is at:
                result.add_coherent(term.root, views.onto(term.source, at, into, index), term.values)
            else:
                rest.coherent[key] = term
        plain = rest.total()
        if plain is not None:
            result.add_plain(back(plain))
        return [result]

    return tape.record_coherent([x], y, pull)


def reshaped(tape: Tape, x: Moments, shape: Sequence[int]) -> Moments:
    """x in another shape; one entry may be -1."""
    sizes = list(shape)
    if -1 in sizes:
        total = math.prod(x.shape)
        rest = math.prod([n for n in sizes if n != -1]) or 1
        sizes[sizes.index(-1)] = total // rest
    before = x.shape
    if tuple(sizes) == before:
        return same(tape, x)
    y = x.reshaped(sizes)
    y.shifted = None if x.shifted is None else x.shifted.reshaped(before, sizes)
    y.profile = None if root_of(x).profile is None else views.reshaped(profile_of(x), sizes)
    if y.profile is None:
        return tape.record([x], y, lambda g: [g.reshaped(before)])
    return element_of(tape, x, y, lambda plain: plain.reshaped(before), views.unchanged(y.profile.source))


@transfer("view", "reshape", "_unsafe_view", "_reshape_alias")
def view(tape: Tape, x: Any, shape: Sequence[int], *args: Any) -> Moments:
    if not isinstance(shape, list | tuple):  # view(dtype)
        raise CannotPredict("a view as another type")
    return reshaped(tape, as_moments(x), shape)


@transfer("view_as", "reshape_as")
def view_as(tape: Tape, x: Any, other: Any) -> Any:
    if isinstance(x, Known):
        return Known(x.tensor.reshape(tuple(other.shape)), x.distinct)
    return reshaped(tape, as_moments(x), other.shape)


@transfer("flatten")
def flatten(tape: Tape, x: Any, start: int = 0, end: int = -1, *args: Any) -> Moments:
    x = as_moments(x)
    shape = list(x.shape)
    if not shape:
        return reshaped(tape, x, [1])
    start, end = start % len(shape), end % len(shape)
    return reshaped(tape, x, [*shape[:start], int(np.prod(shape[start : end + 1])), *shape[end + 1 :]])


@transfer("unflatten")
def unflatten(tape: Tape, x: Any, dim: int, sizes: Sequence[int]) -> Moments:
    x = as_moments(x)
    dim %= len(x.shape)
    sizes = list(sizes)
    if -1 in sizes:
        sizes[sizes.index(-1)] = x.shape[dim] // -int(np.prod(sizes))
    return reshaped(tape, x, [*x.shape[:dim], *sizes, *x.shape[dim + 1 :]])


@transfer("unsqueeze")
def unsqueeze(tape: Tape, x: Any, dim: int) -> Moments:
    x = as_moments(x)
    shape = list(x.shape)
    shape.insert(dim % (len(shape) + 1), 1)
    return reshaped(tape, x, shape)


@transfer("squeeze")
def squeeze(tape: Tape, x: Any, dim: int | Sequence[int] | None = None) -> Moments:
    x = as_moments(x)
    rank = len(x.shape)
    given = () if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    chosen = range(rank) if dim is None else [d % rank for d in given]
    return reshaped(tape, x, [n for d, n in enumerate(x.shape) if not (n == 1 and d in chosen)])


def permuted(tape: Tape, x: Moments, order: Sequence[int]) -> Moments:
    rank = len(x.shape)
    order = [d % rank for d in order]
    if order == list(range(rank)):
        return same(tape, x)
    y = x.permuted(order)
    y.turned = x, tuple(order)
    back = [order.index(d) for d in range(rank)]
    return tape.record([x], y, lambda g: [g.permuted(back)])


@transfer("permute")
def permute(tape: Tape, x: Any, order: Sequence[int]) -> Moments:
    return permuted(tape, as_moments(x), order)


@transfer("transpose", "swapaxes", "swapdims")
def transpose(tape: Tape, x: Any, a: int, b: int) -> Moments:
    x = as_moments(x)
    order = list(range(len(x.shape)))
    order[a], order[b] = order[b], order[a]
    return permuted(tape, x, order)


@transfer("t", "numpy_T", "mT", "matrix_H", "mH", "adjoint")
def t(tape: Tape, x: Any) -> Moments:
    x = as_moments(x)
    order = list(range(len(x.shape)))
    return permuted(tape, x, [*order[:-2], *order[-2:][::-1]])


@transfer("movedim", "moveaxis")
def movedim(tape: Tape, x: Any, source: Any, destination: Any) -> Moments:
    x = as_moments(x)
    rank = len(x.shape)
    sources = [d % rank for d in (source if isinstance(source, list | tuple) else [source])]
    targets = [d % rank for d in (destination if isinstance(destination, list | tuple) else [destination])]
    order = [d for d in range(rank) if d not in sources]
    for to, d in sorted(zip(targets, sources, strict=True)):
        order.insert(to, d)
    return permuted(tape, x, order)


def expanded(tape: Tape, x: Moments, shape: Sequence[int]) -> Moments:
    """Broadcast; the cotangent is summed over what was broadcast."""
    lead = len(shape) - len(x.shape)
    sizes = [(x.shape[d - lead] if d >= lead else 1) if n == -1 else n for d, n in enumerate(shape)]
    if tuple(sizes) == x.shape:
        return same(tape, x)
    y = x.expanded(sizes)
    y.broadcast_of = x
    return tape.record([x], y, lambda g: [unbroadcast(g, x)])


def unbroadcast(g: Moments, x: Moments) -> Moments:
    """A cotangent summed over the dimensions along which x was broadcast."""
    lead = len(g.dims) - len(x.dims)
    gone = [d for d in range(len(g.dims)) if g.dims[d] and (d < lead or not x.dims[d - lead])]
    summed = g.summed(g.dim_axes(gone)) if gone else g
    return summed.with_(dims=summed.dims[lead:]) if lead else summed


@transfer("expand", "broadcast_to")
def expand(tape: Tape, x: Any, shape: Sequence[int], **kwargs: Any) -> Moments:
    return expanded(tape, as_moments(x), shape)


@transfer("expand_as")
def expand_as(tape: Tape, x: Any, other: Any) -> Any:
    if isinstance(x, Known):
        return Known(x.tensor.expand(tuple(other.shape)), x.distinct)
    return expanded(tape, as_moments(x), other.shape)


def taken(tape: Tape, x: Moments, d: int, indices: Labels) -> Moments:
    """x at distinct indices of dimension d; the cotangent is zero elsewhere."""
    size = x.shape[d]
    if len(indices) == size and np.array_equal(indices, np.arange(size)):
        return same(tape, x)
    if len(indices) == 0:
        return constant([0 if n == d else s for n, s in enumerate(x.shape)], 0.0)
    y = take(x, d, indices)
    part = None if root_of(x).profile is None else views.sliced(profile_of(x), d, indices)
    if part is not None:
        index = views.sliced_at(profile_of(x).source, d, indices)
        axis = x.dims[d][0]
        return element_of(tape, x, from_profile(part, y, x.method), lambda plain: place(plain, d, size, indices, axis), index)
    if len(x.dims[d]) == 1:
        y.slice_of = (x, d, np.asarray(indices))
    like = x.dims[d][0] if x.dims[d] else None
    return carried(tape, x, y, lambda v: take(v, d, indices), lambda g: place(g, d, size, indices, like))


@transfer("slice")
def slice_(tape: Tape, x: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Moments:
    x = as_moments(x)
    d = x.dim(dim)
    return taken(tape, x, d, np.arange(x.shape[d])[slice(start, end, step)])


@transfer("narrow")
def narrow(tape: Tape, x: Any, dim: int, start: Any, length: int) -> Moments:
    begin = scalar_of(start)
    if begin is None:
        raise CannotPredict("a start that is not known")
    return slice_(tape, x, dim, int(begin), int(begin) + length)


@transfer("select")
def select(tape: Tape, x: Any, dim: int, index: int) -> Moments:
    x = as_moments(x)
    d = x.dim(dim)
    row = taken(tape, x, d, np.array([index % x.shape[d]]))
    return reshaped(tape, row, [n for k, n in enumerate(x.shape) if k != d])


def pieces_of(tape: Tape, x: Moments, d: int, sizes: Sequence[int]) -> list[Moments]:
    starts = np.cumsum([0, *sizes])
    return [taken(tape, x, d, np.arange(a, b)) for a, b in itertools.pairwise(starts)]


@transfer("split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes")
def split(tape: Tape, x: Any, size: Any, dim: int = 0) -> list[Moments]:
    x = as_moments(x)
    d = x.dim(dim)
    total = x.shape[d]
    sizes = list(size) if isinstance(size, list | tuple) else [min(size, total - n) for n in range(0, total, size)]
    return pieces_of(tape, x, d, sizes)


@transfer("chunk", "unsafe_chunk")
def chunk(tape: Tape, x: Any, chunks: int, dim: int = 0) -> list[Moments]:
    x = as_moments(x)
    return split(tape, x, -(-x.shape[x.dim(dim)] // chunks), dim)


@transfer("tensor_split")
def tensor_split(tape: Tape, x: Any, sections: Any, dim: int = 0) -> list[Moments]:
    x = as_moments(x)
    d = x.dim(dim)
    total = x.shape[d]
    if isinstance(sections, int):
        cuts = [total // sections * n + min(n, total % sections) for n in range(sections + 1)]
    else:
        cuts = [0, *(min(int(c), total) for c in sections), total]
    return pieces_of(tape, x, d, [max(b - a, 0) for a, b in itertools.pairwise(cuts)])


@transfer("unbind")
def unbind(tape: Tape, x: Any, dim: int = 0) -> list[Moments]:
    x = as_moments(x)
    return [select(tape, x, dim, n) for n in range(x.shape[x.dim(dim)])]


@transfer("cat", "concat", "concatenate")
def cat(tape: Tape, tensors: Sequence[Any], dim: int = 0) -> Moments:
    values = [as_moments(x) for x in tensors if 0 not in x.shape] or [as_moments(tensors[0])]
    d = values[0].dim(dim)
    return joined(tape, values, d, joined_covariances(tape, values, d))


def joined(tape: Tape, values: list[Moments], d: int, shared: Mapping[tuple[int, int], Moments]) -> Moments:
    """Tensors one after the other, of which some have covariances; a single one is itself, with the one cotangent it has."""
    if len(values) == 1:
        return values[0]
    y = join(values, d, shared)
    if any(any(v.tails) for v in values):
        kurtosis, skewness = (sum(v.tails[n] * v.shape[d] for v in values) / y.shape[d] for n in (0, 1))
        y.tails = kurtosis, skewness
    starts = np.cumsum([0, *(v.shape[d] for v in values)])

    def pull(g: Cotangent) -> list[Cotangent]:
        source = None if y.profile is None else y.profile.source
        known = [term for term in g.coherent.values() if term.source is source and term.root.shape == y.shape]
        rest = Cotangent(g.plain)
        rest.coherent = {key: term for key, term in g.coherent.items() if not any(term is other for other in known)}
        plain, result = rest.total(), []
        for value, (a, b) in zip(values, itertools.pairwise(starts), strict=True):
            places = np.arange(a, b)
            back = Cotangent(None if plain is None else take(plain, d, places))
            for term in known:
                of_piece = on_piece(term.values, y, value, d, int(a))
                if of_piece is None:
                    back.add_plain(take(term.moments, d, places))
                else:
                    back.add_coherent(take(term.root, d, places), profile_of(value).source, of_piece)
            result.append(back)
        return result

    return tape.record_coherent(values, y, pull)


@transfer("stack")
def stack(tape: Tape, tensors: Sequence[Any], dim: int = 0) -> Moments:
    values = [as_moments(x) for x in tensors]
    dim %= len(values[0].shape) + 1
    return joined(tape, [unsqueeze(tape, v, dim) for v in values], dim, joined_covariances(tape, values, dim, new=True))


@transfer("repeat")
def repeat(tape: Tape, x: Any, times: Sequence[int]) -> Moments:
    """Copies along dimensions: an outer axis whose two states have the same moments."""
    x = as_moments(x)
    shape = [1] * (len(times) - len(x.shape)) + list(x.shape)
    x = reshaped(tape, x, shape)
    apart = reshaped(tape, x, [n for size in shape for n in (1, size)])
    wide = expanded(tape, apart, [n for r, size in zip(times, shape, strict=True) for n in (r, size)])
    return reshaped(tape, wide, [r * size for r, size in zip(times, shape, strict=True)])


@transfer("tile")
def tile(tape: Tape, x: Any, times: Sequence[int]) -> Moments:
    return repeat(tape, x, [1] * max(0, len(x.shape) - len(times)) + list(times))


@transfer("repeat_interleave")
def repeat_interleave(tape: Tape, x: Any, repeats: Any, dim: int | None = None, **kwargs: Any) -> Moments:
    count = scalar_of(repeats)
    if count is None:
        raise CannotPredict("repeats that differ")
    x = as_moments(x)
    if dim is None:
        x, dim = flatten(tape, x), 0
    dim %= len(x.shape)
    shape, times = list(x.shape), int(count)
    apart = reshaped(tape, x, [*shape[: dim + 1], 1, *shape[dim + 1 :]])
    wide = expanded(tape, apart, [*shape[: dim + 1], times, *shape[dim + 1 :]])
    return reshaped(tape, wide, [*shape[:dim], shape[dim] * times, *shape[dim + 1 :]])


def relabelled(x: Moments, d: int, order: Labels) -> Moments:
    """x with the indices of dimension d in another order."""
    if len(x.dims[d]) > 1 and any(axis.labels is not None for axis in x.dims[d]):
        x = single(x, d)
    if len(x.dims[d]) != 1 or x.dims[d][0].labels is None:
        return x.with_(profile=None)
    axis = x.dims[d][0]
    labels = axis.labels
    assert labels is not None
    return x.with_(dims=(*x.dims[:d], (Axis(axis.size, labels[order], axis.role),), *x.dims[d + 1 :]))


@transfer("copy")
def copy(tape: Tape, x: Any, source: Any, *args: Any) -> Any:
    """The source, broadcast to the shape of what it overwrites."""
    if isinstance(source, Known) and source.shape == tuple(x.shape):
        return source
    return expanded(tape, as_moments(source), list(x.shape))


@transfer("slice_scatter")
def slice_scatter(
    tape: Tape, x: Any, source: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Moments:
    x = as_moments(x)
    d = x.dim(dim)
    return overwritten(tape, x, as_moments(source, None), d, np.arange(x.shape[d])[slice(start, end, step)])


@transfer("select_scatter")
def select_scatter(tape: Tape, x: Any, source: Any, dim: int, index: int) -> Moments:
    x = as_moments(x)
    d = x.dim(dim)
    return overwritten(tape, x, unsqueeze(tape, as_moments(source), d), d, np.array([index % x.shape[d]]))


def overwritten(tape: Tape, x: Moments, source: Moments, d: int, indices: Labels) -> Moments:
    """x with its entries at `indices` of dimension d replaced; the rest keeps its moments, independent of the source."""
    size = x.shape[d]
    if len(indices) == size:
        return expanded(tape, source, list(x.shape))
    outside = np.setdiff1d(np.arange(size), indices)
    kept = taken(tape, x, d, outside)
    shape = list(x.shape)
    shape[d] = len(indices)
    whole = cat(tape, [expanded(tape, source, shape), kept], d)
    order = np.argsort(np.concatenate([indices, outside]))
    y = bounded(relabelled(whole, d, order))  # or a loop that writes row by row would add a group for each
    back = np.argsort(order)
    return tape.record([whole], y.with_(), lambda g: [relabelled(g, d, back)])
