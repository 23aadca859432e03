"""Taking, placing and joining along one axis: the pieces from which the view operators are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from initlint.propagate.axes import GROUP_LIMIT, Axis, Labels, canonical, state_of
from initlint.propagate.moments import NOTHING, Moments, align, replaced, size_of
from initlint.propagate.near import of_sum
from initlint.propagate.rows import joined_rows, rows_at

STATES = 1 << 15  # pair moments of one tensor: more cost more time than they add truth


def single(x: Moments, d: int) -> Moments:
    """x with dimension d made of exactly one axis (size-one dimensions keep none)."""
    while len(x.dims[d]) > 1:
        x = x.merged(x.position(d))
    return x


def outer_block(x: Moments, d: int, start: int, stop: int) -> bool:
    """Whether [start, stop) is a run of whole indices of the first axis of dimension d, so that only it is cut."""
    inner = size_of(x.dims[d][1:])
    return start % inner == 0 and stop % inner == 0


def take(x: Moments, d: int, indices: Labels) -> Moments:
    """x at distinct `indices` of dimension d."""
    if not x.dims[d]:
        return x
    k = x.position(d)
    if len(x.dims[d]) > 1:
        inner = size_of(x.dims[d][1:])
        blocks = indices.reshape(-1, inner) if len(indices) % inner == 0 else None
        if blocks is not None and np.all(blocks[:, 0] % inner == 0) and np.all(blocks - blocks[:, :1] == np.arange(inner)):
            return take_axis(x, k, blocks[:, 0] // inner)
        x = single(x, d)
    return take_axis(x, k, indices)


def take_axis(x: Moments, k: int, indices: Labels) -> Moments:
    """x at distinct `indices` of axis k; an axis left with one index disappears."""
    axis = x.axes[k]
    labels = np.zeros(axis.size, dtype=np.int64) if axis.labels is None else axis.labels
    chosen = labels[indices]
    kept = np.unique(chosen)
    valid = None if x.valid is None else np.take(x.valid, kept, axis=k)
    mean = np.take(x.mean, kept, axis=k)
    if len(indices) == 1:
        pair = np.take(x.pair, kept[0], axis=k)
        valid = None if valid is None else valid.squeeze(k)
        gram = None if x.gram is None else x.gram.moved(lambda n: None if n == k else n - (n > k))
        return x.with_(dims=replaced(x.dims, k, ()), mean=mean.squeeze(k), pair=pair, valid=valid, gram=gram)
    rows, columns = np.repeat(kept, len(kept)), np.tile(kept, len(kept))
    states = np.concatenate([kept, state_of(axis.groups, rows, columns)])
    new = Axis(len(indices), canonical(chosen), axis.role)
    return x.with_(
        dims=replaced(x.dims, k, (new,)), mean=mean, pair=np.take(x.pair, states, axis=k), valid=valid, profile=None,
        gram=None if x.gram is None else rows_at(x.gram, axis.size, indices) if k in x.gram.axes else x.gram,
    )


def place(x: Moments, d: int, size: int, indices: Labels, role_of: Axis | None = None) -> Moments:
    """Zeros of `size` along dimension d with x at distinct `indices`: what the cotangent of `take` is."""
    x = single(x, d)
    k = x.position(d)
    if len(indices) == size and np.array_equal(indices, np.arange(size)):
        return x
    here = x.dims[d]
    inner = np.zeros(len(indices), dtype=np.int64) if not here or here[0].labels is None else here[0].labels
    labels = np.zeros(size, dtype=np.int64)
    labels[indices] = 1 + inner
    old = int(inner.max()) + 1
    axis = Axis(size, canonical(labels), "position" if role_of is None else role_of.role)
    full = axis.groups  # group 0 is "elsewhere" unless everything is covered
    offset = full - old
    shape_mean = list(x.mean.shape)
    shape_pair = list(x.pair.shape)
    if not here:
        shape_mean.insert(k, full)
        shape_pair.insert(k, axis.states)
        source_mean, source_pair = np.expand_dims(x.mean, k), np.expand_dims(x.pair, k)
        to = np.array([offset])
        mean, pair = np.zeros(shape_mean), np.zeros(shape_pair)
        mean[_at(k, to, mean.ndim)] = source_mean
        pair[_at(k, to, pair.ndim)] = source_pair
        gram = None if x.gram is None else x.gram.moved(lambda n: n + (n >= k))
        return x.with_(dims=(*x.dims[:d], (axis,), *x.dims[d + 1 :]), mean=mean, pair=pair, valid=None, gram=gram)
    shape_mean[k], shape_pair[k] = full, axis.states
    mean, pair = np.zeros(shape_mean), np.zeros(shape_pair)
    groups = np.arange(old) + offset
    rows, columns = np.repeat(groups, old), np.tile(groups, old)
    mean[_at(k, groups, mean.ndim)] = x.mean
    pair[_at(k, np.concatenate([groups, state_of(full, rows, columns)]), pair.ndim)] = x.pair
    return x.with_(dims=replaced(x.dims, k, (axis,)), mean=mean, pair=pair, valid=None)


def _at(k: int, index: Labels, ndim: int) -> tuple[slice | Labels, ...]:
    return tuple(index if n == k else slice(None) for n in range(ndim))


def shown(x: Moments) -> Moments:
    """One where x is valid, zero where it is masked, as moments."""
    if x.valid is None:
        return Moments(x.dims, np.ones_like(x.mean), np.ones_like(x.pair))
    valid = np.broadcast_to(x.valid, x.mean.shape)
    first, second = (valid[np.ix_(*(axis.rows[n] for axis in x.axes))] for n in (0, 1))
    return Moments(x.dims, valid, np.minimum(first, second) if x.both is None else x.both)


def gate_of(x: Moments) -> Moments:
    """What a cotangent is multiplied by that only the seen entries of x get."""
    return Moments(x.dims, np.zeros_like(x.mean), shown(x).pair)


def join(pieces: Sequence[Moments], d: int, shared: Mapping[tuple[int, int], Moments] | None = None) -> Moments:
    """Tensors one after the other along dimension d; `shared` has covariances of some, averaged over it."""
    pieces = [p for p in pieces if 0 not in p.shape] or list(pieces[:1])
    if len(pieces) == 1:
        return pieces[0]
    masked = [p for p in pieces if p.valid is not None]
    joined = _joined(pieces, d, shared)
    if masked:
        joined, seen = align(joined, _joined([shown(p) for p in pieces], d))
        joined.valid, joined.both, joined.fill = seen.mean, seen.pair, masked[0].fill
    joined.positive, joined.negative = signs(pieces)
    return joined


def signs(pieces: Sequence[Moments]) -> tuple[bool, bool]:
    """Whether no entry of any is negative; whether none is positive."""
    return all(p.positive or p.is_zero for p in pieces), all(p.negative or p.is_zero for p in pieces)


def _joined(pieces: Sequence[Moments], d: int, shared: Mapping[tuple[int, int], Moments] | None = None) -> Moments:
    """The same without regard to masks."""
    sizes = [size_of(p.dims[d]) for p in pieces]
    pieces = [single(p, d) for p in pieces]
    # bring the other dimensions to common axes: dimension d is taken out, aligned, and put back as a first axis
    apart = pieces
    fronts = [_front(p, d) for p in pieces]
    others = align(*(without_first(f) for f in fronts))
    mean_shape, pair_shape = others[0].mean.shape, others[0].pair.shape
    fronts = [_regroup_rest(f, o) for f, o in zip(fronts, others, strict=True)]
    labels, offset = [], 0
    blocks: list[tuple[int, Moments]] = []
    for piece, size in zip(fronts, sizes, strict=True):
        axis = piece.axes[0]
        labels.append(offset + (np.zeros(size, dtype=np.int64) if axis.labels is None else axis.labels))
        blocks.append((offset, piece))
        offset += axis.groups
    role = pieces[0].dims[d][0].role if pieces[0].dims[d] else "position"
    whole = Axis(sum(sizes), np.concatenate(labels), role)
    mean = np.zeros((offset, *mean_shape))
    pair = np.zeros((offset + offset * offset, *pair_shape))
    for start, piece in blocks:
        mean[start : start + piece.axes[0].groups] = piece.mean
    for start, piece in blocks:
        g = piece.axes[0].groups
        groups = start + np.arange(g)
        rows, columns = np.repeat(groups, g), np.tile(groups, g)
        pair[np.concatenate([groups, state_of(offset, rows, columns)])] = piece.pair
        for other_start, other in blocks:
            if other is piece or not (np.any(piece.mean) and np.any(other.mean)):
                continue
            for a in range(g):
                for b in range(other.axes[0].groups):
                    state = int(state_of(offset, np.array(start + a), np.array(other_start + b)))
                    pair[state] = _products(others[0], piece.mean[a], other.mean[b])
    for (i, j), covariance in (shared or {}).items():
        found = align(others[0], covariance)[1].pair
        (first, one), (second, other) = blocks[i], blocks[j]
        rows, columns = np.indices((one.axes[0].groups, other.axes[0].groups)).reshape(2, -1)
        pair[state_of(offset, first + rows, second + columns)] += found
    rest = list(others[0].dims)
    dims = (*rest[:d], (), *rest[d + 1 :])
    joined = Moments(((whole,), *dims), mean, pair, method=worst(pieces), flags=flags_of(pieces))
    joined.zeros = sum(p.zeros * n for p, n in zip(pieces, sizes, strict=True)) / sum(sizes)
    joined.complex = any(p.complex for p in pieces)
    joined = tidy(joined, 0)
    k = sum(len(axes) for axes in dims[:d])
    axes_order = [*range(1, k + 1), 0, *range(k + 1, joined.mean.ndim)]
    joined.gram = joined_rows([p for p in apart if p.mean.ndim == joined.mean.ndim], k, sum(sizes))
    whole_near = of_sum(*((p, float(n)) for p, n in zip(apart, sizes, strict=True))) if any(p.near for p in apart) else NOTHING
    return joined.with_(
        dims=(*dims[:d], joined.dims[0], *dims[d + 1 :]),
        mean=joined.mean.transpose(axes_order),
        pair=joined.pair.transpose(axes_order),
        near={n: e for n, e in whole_near.items() if n != d - len(dims)},
    )


def _front(x: Moments, d: int) -> Moments:
    """x with dimension d as a leading axis (of size one where it has none), dimension d itself emptied."""
    k = x.position(d)
    if x.dims[d]:
        order = [k, *(n for n in range(x.mean.ndim) if n != k)]
        return x.with_(
            dims=(x.dims[d], *x.dims[:d], (), *x.dims[d + 1 :]),
            mean=x.mean.transpose(order),
            pair=x.pair.transpose(order),
            valid=None,
        )
    pair = np.repeat(x.pair[None], 2, axis=0)
    return x.with_(dims=((Axis(1),), *x.dims), mean=x.mean[None], pair=pair, valid=None)


def without_first(x: Moments) -> Moments:
    """The axes behind the first dimension, for alignment only."""
    return Moments(x.dims[1:], x.mean[0], x.pair[0])


def _regroup_rest(x: Moments, like: Moments) -> Moments:
    """x with the axes of `like` behind its first axis."""
    template = Moments(
        ((x.axes[0],), *like.dims),
        np.zeros((x.axes[0].groups, *like.mean.shape)),
        np.zeros((x.axes[0].states, *like.pair.shape)),
    )
    return align(template, x)[1]


def _products(like: Moments, left: object, right: object) -> object:
    from initlint.propagate.moments import outer_means

    return outer_means(like.axes, np.asarray(left), np.asarray(right))


def worst(pieces: Sequence[Moments]) -> str:
    """The least direct of the methods by which these were found."""
    methods = {p.method for p in pieces}
    return next(method for method in ("sampled", "quadrature", "closed") if method in methods)


def flags_of(pieces: Sequence[Moments]) -> tuple[str, ...]:
    """All flags, each once."""
    return tuple(dict.fromkeys([flag for p in pieces for flag in p.flags]))


def bounded(x: Moments, most: int = STATES) -> Moments:
    """x with its finest axes in fewer groups, the most alike averaged, until it has at most so many pair moments."""
    while x.pair.size > most:
        k = max(range(len(x.axes)), key=lambda n: x.axes[n].groups)
        if x.axes[k].groups < 2:
            break
        x = tidy(x, k, x.axes[k].groups // 2)
    return x


def tidy(x: Moments, k: int, limit: int = GROUP_LIMIT) -> Moments:
    """Groups of axis k that have the same moments become one, and the most alike are averaged beyond `limit`."""
    axis = x.axes[k]
    if axis.labels is None:
        return x
    groups = axis.groups
    pair = np.moveaxis(x.pair, k, 0).reshape(axis.states, -1)
    mean = np.moveaxis(x.mean, k, 0).reshape(groups, -1)
    same, different = pair[:groups], pair[groups:].reshape(groups, groups, -1)
    scale = np.abs(pair).max() or 1.0
    spread = np.abs(mean).max() or 1.0
    far, several, index = np.zeros((groups, groups)), axis.counts > 1, np.arange(groups)
    inside = different[index, index]
    for g in range(1, groups):  # from all groups before it
        across = different[g, :g]
        others = np.abs(different[g] - different[:g]).max(2)
        others[:, g] = others[index[:g], index[:g]] = 0.0
        gaps = np.maximum(np.abs(same[g] - same[:g]).max(1), others.max(1))
        gaps = np.maximum(gaps, several[g] * np.abs(inside[g] - across).max(1))
        gaps = np.maximum(gaps, several[:g] * np.abs(inside[:g] - across).max(1))
        far[g, :g] = far[:g, g] = np.maximum(gaps / scale, np.abs(mean[g] - mean[:g]).max(1) / spread)
    of, left = np.arange(groups), groups
    far[np.triu_indices(groups)] = np.inf
    while left > 1:
        g, h = divmod(int(far.argmin()), groups)
        if far[g, h] > 1e-7 and left <= limit:
            break
        of[of == g] = h
        far[g], far[:, g] = np.inf, np.inf
        left -= 1
    if left == groups:
        return x
    return x.coarsened(k, Axis(axis.size, canonical(of[axis.labels]), axis.role))
