"""Entries in another order or beside others: turns, borders, windows, pixel shuffles, diagonals and triangles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from initlint.propagate.axes import Array, Axis, along
from initlint.propagate.linear import mapped, members
from initlint.propagate.moments import Moments, constant
from initlint.propagate.ops.gather import place, single, take
from initlint.propagate.ops.portions import carried
from initlint.propagate.ops.registry import as_moments, transfer
from initlint.propagate.ops.view import cat, expanded, permuted, relabelled, reshaped, taken
from initlint.propagate.rows import joined_rows
from initlint.propagate.sparse import Sparse
from initlint.propagate.tape import Known, Tape

KINDS = 9  # kinds of windows times kinds of places in them that are told apart


@transfer("roll")
def roll(tape: Tape, x: Any, shifts: Any, dims: Any = ()) -> Moments:
    x = as_moments(x)
    amounts = shifts if isinstance(shifts, list | tuple) else [shifts]
    along = dims if isinstance(dims, list | tuple) else [dims]
    y, back = x, []
    for shift, dim in zip(amounts, along, strict=False):
        d = x.dim(dim)
        order = np.roll(np.arange(x.shape[d]), shift)
        y = relabelled(y, d, order)
        back.append((d, np.argsort(order)))

    def pull(g: Moments) -> list[Moments]:
        for d, order in back:
            g = relabelled(g, d, order)
        return [g]

    return tape.record([x], y.with_(), pull)


@transfer("flip")
def flip(tape: Tape, x: Any, dims: Sequence[int]) -> Moments:
    x = as_moments(x)
    y = x
    chosen = [x.dim(d) for d in dims]

    def turn(z: Moments) -> Moments:
        for d in chosen:
            z = relabelled(z, d, np.arange(z.shape[d])[::-1])
        return z

    y = turn(y)
    return tape.record([x], y.with_(), lambda g: [turn(g)])


@transfer("constant_pad_nd", "pad")
def pad(tape: Tape, x: Any, widths: Sequence[int], mode: Any = "constant", value: Any = None) -> Moments:
    """Zero padding joins blocks of a constant; other modes repeat entries, whose statistics are those of the rest."""
    x = as_moments(x)
    if not isinstance(mode, str):
        mode, value = "constant", mode
    number = 0.0 if value is None else float(value)
    for n in range(len(widths) // 2):
        d = len(x.shape) - 1 - n
        low, high = widths[2 * n], widths[2 * n + 1]
        if low < 0 or high < 0:
            x = taken(tape, x, d, np.arange(max(-low, 0), x.shape[d] - max(-high, 0)))
            low, high = max(low, 0), max(high, 0)
        if low == high == 0:
            continue
        if mode != "constant":
            x = stretched(tape, x, d, x.shape[d] + low + high)
            continue
        if number == 0.0 and len(x.dims[d]) == 1 and x.valid is None:
            x = surrounded(tape, x, d, low, high)
            continue
        blocks: list[Moments] = []
        for width in (low, None, high):
            if width is None:
                blocks.append(x)
            elif width:
                shape = list(x.shape)
                shape[d] = width
                blocks.append(constant(shape, number))
        x = cat(tape, blocks, d)
    return x


def surrounded(tape: Tape, x: Moments, d: int, low: int, high: int) -> Moments:
    """x between so many zeros along dimension d."""
    size, axis = x.shape[d] + low + high, x.dims[d][0]
    indices = np.arange(low, low + x.shape[d])

    def around(v: Moments) -> Moments:
        return place(v, d, size, indices, axis).with_(near=v.near)  # neighbours stay neighbours

    y = around(x)
    y.zeros, y.gram = 1.0 - x.shape[d] / size * (1.0 - x.zeros), joined_rows([x], x.position(d), size)
    return carried(tape, x, y, around, lambda g: take(g, d, indices).with_(near=g.near))


def stretched(tape: Tape, x: Moments, d: int, size: int) -> Moments:
    """x with dimension d of another size and the same statistics (reflected or replicated borders)."""
    before = x.shape[d]
    work = single(x, d)
    k = work.position(d)
    if not work.dims[d]:
        return expanded(tape, x, [size if n == d else -1 for n in range(len(x.shape))])
    work = work.coarsened(k)
    if size == 1:
        return taken(tape, x, d, np.arange(1))
    y = work.with_(dims=(*work.dims[:d], (Axis(size, None, work.axes[k].role),), *work.dims[d + 1 :]))

    def pull(g: Moments) -> list[Moments]:
        g = single(g, d)
        g = g.coarsened(g.position(d))
        g = g.with_(dims=(*g.dims[:d], (Axis(before, None),), *g.dims[d + 1 :]))
        return [g.scaled((size / before) ** 0.5)]

    return tape.record([x], y, pull)


@transfer("unfold")
def unfold(tape: Tape, x: Any, dim: int, size: int, step: int) -> Moments:
    """Windows along one dimension. Of two entries in different windows some are one and the same; those of one window are others."""
    x = as_moments(x)
    d = x.dim(dim)
    count = (x.shape[d] - size) // step + 1
    shape = [*x.shape[:d], count, size, *x.shape[d + 1 :]]
    order = [n for n in range(len(x.shape) + 1) if n != d + 1]
    if count * size == x.shape[d] and step == size:
        return permuted(tape, reshaped(tape, x, shape), [*order, d + 1])
    if min(count, size) == 1 or not x.dims[d] or x.valid is not None:
        return permuted(tape, reshaped(tape, stretched(tape, x, d, count * size), shape), [*order, d + 1])
    work = single(x, d)
    k = work.position(d)
    axis = work.axes[k]
    axes, states, cells, places = windows_of(axis, count, size, step)
    pair, mean = along(states, work.pair, k), along(cells, work.mean, k)
    gram = work.gram
    if gram is not None:
        gram = gram.law.over(frozenset({n + (n > k) for n in gram.axes} | ({k + 1} if k in gram.axes else set())))
    y = work.with_(
        dims=(*work.dims[:d], (axes[0],), (axes[1],), *work.dims[d + 1 :]), gram=gram,
        mean=mean.reshape(*mean.shape[:k], axes[0].groups, axes[1].groups, *mean.shape[k + 1 :]),
        pair=pair.reshape(*pair.shape[:k], axes[0].states, axes[1].states, *pair.shape[k + 1 :]),
    )  # fmt: skip

    def pull(g: Moments) -> list[Moments]:
        g = single(single(g, d), d + 1)
        g = single(g.reshaped([*x.shape[:d], count * size, *x.shape[d + 1 :]]), d)
        return [mapped(g, g.position(d), places.T, axis)]

    return permuted(tape, tape.record([x], y, pull), [*order, d + 1])


@lru_cache(maxsize=64)
def windows_of(axis: Axis, count: int, size: int, step: int) -> tuple[tuple[Axis, Axis], Array, Array, Sparse]:
    """Of an axis read in windows: the axes of windows and of places in them, in groups where few of these read other groups; by pair
    state of both, the shares of the pair states of the axis; those of its groups; which index each place of each window is."""
    labels = np.zeros(axis.size, dtype=np.int64) if axis.labels is None else axis.labels
    index = np.arange(count)[:, None] * step + np.arange(size)
    kinds = [np.unique(labels[index], axis=n, return_inverse=True)[1].reshape(-1).astype(np.int64) for n in (0, 1)]
    if (kinds[0].max() + 1) * (kinds[1].max() + 1) > KINDS:
        kinds = [np.zeros(n, dtype=np.int64) for n in (count, size)]
    axes = Axis(count, kinds[0], axis.role), Axis(size, kinds[1], axis.role)
    windows, places = (members(a) for a in axes)
    read = members(axis)[index]  # by window, place and group of the axis
    by_window, by_place = np.einsum("tb,wtg->wbg", places, read), np.einsum("wa,wtg->atg", windows, read)
    cells = np.einsum("wa,wbg->abg", windows, by_window)
    often = np.zeros((axis.size, axes[0].groups, axes[1].groups))
    np.add.at(often, (index, kinds[0][:, None], kinds[1][None, :]), 1.0)
    states = np.zeros((axes[0].states, axes[1].states, axis.states))
    for a, c, b, e in np.ndindex(axes[0].groups, axes[0].groups, axes[1].groups, axes[1].groups):
        one = np.diag(cells[a, b]) * (a == c) * (b == e)  # an entry and itself
        row = np.einsum("wx,wy->xy", by_window[kinds[0] == a, b], by_window[kinds[0] == a, e]) * (a == c)
        column = np.einsum("tx,ty->xy", by_place[a, kinds[1] == b], by_place[c, kinds[1] == b]) * (b == e)
        twice = members(axis).T @ (often[:, a, b] * often[:, c, e]) - np.diagonal(one)  # one index in two windows
        apart = np.outer(cells[a, b], cells[c, e]) - row - column + one - np.diag(twice)
        w, t = axes[0].groups + a * axes[0].groups + c, axes[1].groups + b * axes[1].groups + e
        states[w, t] = np.concatenate([twice, apart.reshape(-1)])
        if a == c:
            states[a, t, axis.groups :] = (row - one).reshape(-1)
        if b == e:
            states[w, b, axis.groups :] = (column - one).reshape(-1)
        if a == c and b == e:
            states[a, b, : axis.groups] = cells[a, b]
    number = states.sum(-1, keepdims=True)
    states = np.where(number > 0.0, states / np.maximum(number, 1.0), 0.0)
    for k, n in np.argwhere(number[..., 0] <= 0.0):  # "different" in a group of one cannot happen: as the entry itself
        states[k, n] = states[axes[0].rows[0][k], axes[1].rows[0][n]]
    cells = (cells / cells.sum(-1, keepdims=True)).reshape(-1, axis.groups)
    taken = Sparse((count * size, axis.size), np.arange(count * size), index.reshape(-1))
    return axes, states.reshape(-1, axis.states), cells, taken


@transfer("pixel_shuffle")
def pixel_shuffle(tape: Tape, x: Any, r: int) -> Moments:
    x = as_moments(x)
    *lead, c, h, w = x.shape
    n = len(lead)
    y = reshaped(tape, x, [*lead, c // (r * r), r, r, h, w])
    y = permuted(tape, y, [*range(n), n, n + 3, n + 1, n + 4, n + 2])
    return reshaped(tape, y, [*lead, c // (r * r), h * r, w * r])


@transfer("pixel_unshuffle")
def pixel_unshuffle(tape: Tape, x: Any, r: int) -> Moments:
    x = as_moments(x)
    *lead, c, h, w = x.shape
    n = len(lead)
    y = reshaped(tape, x, [*lead, c, h // r, r, w // r, r])
    y = permuted(tape, y, [*range(n), n, n + 2, n + 4, n + 1, n + 3])
    return reshaped(tape, y, [*lead, c * r * r, h // r, w // r])


@transfer("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(tape: Tape, x: Any, groups: int) -> Moments:
    x = as_moments(x)
    b, c, *rest = x.shape
    y = reshaped(tape, x, [b, groups, c // groups, *rest])
    y = permuted(tape, y, [0, 2, 1, *range(3, 3 + len(rest))])
    return reshaped(tape, y, [b, c, *rest])


@transfer("tril")
def tril(tape: Tape, x: Any, offset: int = 0) -> Any:
    """x below and on a diagonal, zeros above."""
    import torch

    from initlint.propagate.ops.arithmetic import mul

    return mul(tape, x, Known(torch.ones(x.shape[-2:]).tril(offset)))


@transfer("triu")
def triu(tape: Tape, x: Any, offset: int = 0) -> Any:
    """x above and on a diagonal, zeros below."""
    import torch

    from initlint.propagate.ops.arithmetic import mul

    return mul(tape, x, Known(torch.ones(x.shape[-2:]).triu(offset)))


@transfer("diagonal")
def diagonal(tape: Tape, x: Any, offset: int = 0, a: int = 0, b: int = 1) -> Moments:
    """Elements whose two indices coincide: along the new axis they differ in both."""
    x = as_moments(x)
    rank = len(x.shape)
    a, b = a % rank, b % rank
    rest = [d for d in range(rank) if d not in (a, b)]
    work = x.permuted([*rest, a, b])
    for d in (rank - 2, rank - 1):
        work = single(work, d)
        if work.dims[d]:
            work = work.coarsened(work.position(d))
    count = min(x.shape[a] + min(offset, 0), x.shape[b] - max(offset, 0))
    pair = np.stack([work.pair[..., 0, 0], work.pair[..., 1, 1]], axis=-1)
    if count == 1:
        pair = pair[..., 0]
    mean = work.mean[..., 0] if count > 1 else work.mean[..., 0, 0]
    y = Moments((*work.dims[:-2], (Axis(count),) if count > 1 else ()), mean, pair)
    order = [*rest, a, b]
    sizes = (x.shape[a], x.shape[b])

    def pull(g: Moments) -> list[Moments]:
        # only where both indices coincide is there a cotangent; two of them differ in both indices
        g = single(g, len(g.dims) - 1)
        if g.dims[-1]:
            g = g.coarsened(g.position(len(g.dims) - 1))
        own = g.pair[..., 0] if count > 1 else g.pair
        other = g.pair[..., 1] if count > 1 else np.zeros_like(own)
        pair = np.zeros((*own.shape, 2, 2))
        pair[..., 0, 0] = own * count / (sizes[0] * sizes[1])
        pairs = sizes[0] * sizes[1] * (sizes[0] - 1) * (sizes[1] - 1)
        pair[..., 1, 1] = other * count * (count - 1) / max(pairs, 1)
        dims = (*g.dims[:-1], (Axis(sizes[0]),), (Axis(sizes[1]),))
        wide = Moments(dims, np.zeros([axis.groups for dim in dims for axis in dim]), pair)
        return [wide.permuted([order.index(d) for d in range(rank)])]

    return tape.record([x], y, pull)
