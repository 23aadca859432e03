"""Sorted values: the largest of a row in their order, their places, and what is scattered to these places.

A row is taken as functions f_i = f(z_i) of equicorrelated normal numbers, as for the largest of them (`reduce.maximum_law`). The
joint moments of order statistics have no closed form (David & Nagaraja 2003, Order Statistics, ch. 3), so rows of z are drawn
once and sorted by f: means, squares and products of ranks are averages over DRAWN numbers. Two rows' order statistics are as
correlated as the rows' averages. Which entries are chosen is decided by z, and so is where a gradient goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from initlint.propagate.axes import GROUP_LIMIT, Array, Axis, Labels
from initlint.propagate.linear import members
from initlint.propagate.moments import Moments, outer_means, replaced
from initlint.propagate.ops.gather import flags_of, single
from initlint.propagate.ops.maps import single_axis
from initlint.propagate.ops.reduce import selected
from initlint.propagate.ops.registry import CannotPredict, as_moments, transfer
from initlint.propagate.ops.view import reshaped, same
from initlint.propagate.pointwise import coarsened, grid, lineage, profile_of
from initlint.propagate.tape import Known, Tape

DRAWN = 1 << 17  # numbers of all drawn rows: averages of rows of eight are right to half a percent
SEED = 19390401
FIXED = 0.05  # variance of a row's average, in that of independent entries, below which it is taken as a constant
LARGEST = 1 << 22  # entries of a tensor whose places are drawn


@dataclass(slots=True, eq=False)
class Ranked(Known):
    """One draw of the places of sorted entries of `of` along dimension `dim`: the ranks `ranks`, 0 for the largest."""

    of: Moments | None = None
    dim: int = 0
    ranks: Labels | None = None


@lru_cache(maxsize=8)
def _normal_rows(count: int) -> Array:
    return np.random.default_rng([SEED, count]).standard_normal((max(DRAWN // count, 32), count))


def equicorrelated(count: int, rho: float) -> Array:
    """Rows of standard normal numbers with this correlation, which may be as low as −1/(count − 1)."""
    z = _normal_rows(count)
    average = z.mean(1, keepdims=True)
    return np.sqrt(1.0 - rho) * (z - average) + np.sqrt(max(1.0 + (count - 1.0) * rho, 0.0)) * average


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Moments of sorted entries by group of ranks and cell of the other axes.

    product  E of two different ranks of one row
    chance   on the grid of z, how much more likely than on average an entry there is among them
    zeros    share of exact zeros
    """

    mean: Array
    square: Array
    product: Array
    chance: Array
    zeros: float


def order_statistics(values: Array, keys: Array, rows: Array, ranks: Labels, axis: Axis, weight: Array) -> Order:
    """Of f(z) at `ranks` of g(z), for rows of z; `values` of f and `keys` of g on the grid, by cell; groups of ranks by `axis`."""
    points, cells = values.shape[0], values.shape[1:]
    z = grid(points)[0]
    edges = np.append(z, z[-1] + (z[1] - z[0])) - (z[1] - z[0]) / 2
    inside = members(axis)
    pairs = np.maximum(axis.pairs[axis.groups :].reshape(axis.groups, axis.groups), 1.0)
    mean, square, product = [], [], []
    chosen, zeros = np.zeros(points), 0.0
    for own, key in zip(values.reshape(points, -1).T, keys.reshape(points, -1).T, strict=True):
        order = np.argsort(-np.interp(rows, z, key), axis=1, kind="stable")[:, ranks]
        at = np.take_along_axis(rows, order, 1)
        found = np.interp(at, z, own)
        sums, totals = found @ inside, ((found**2) @ inside).mean(0)
        mean.append(sums.mean(0) / axis.counts)
        square.append(totals / axis.counts)
        product.append(((sums.T @ sums) / len(sums) - np.diag(totals)) / pairs)
        chosen += np.histogram(at, edges)[0]
        zeros += float((found == 0).mean()) / (values.size // points)
    shape = (axis.groups, *cells)
    return Order(
        mean=np.stack(mean, -1).reshape(shape), square=np.stack(square, -1).reshape(shape),
        product=np.stack(product, -1).reshape(axis.groups, *shape), chance=smoothed(chosen / chosen.sum() / weight, weight), zeros=zeros,
    )  # fmt: skip


def ranked(tape: Tape, x: Moments, dim: int, ranks: Labels, by: Moments | None = None) -> Moments:
    """The entries of x along one dimension at these ranks (0 the largest) of `by`, a function of x's source; x itself if None."""
    d = x.dim(dim)
    x = before = single_axis(tape, x, d)
    if not x.dims[d]:
        return same(tape, before)
    k = x.position(d)
    count, role = x.axes[k].size, x.axes[k].role
    x = coarsened(x, [k])
    profile = profile_of(x)
    key = profile if by is None else profile_of(coarsened(single(by, d), [k]))
    if key.values.shape != profile.values.shape:
        raise CannotPredict("values sorted by others")
    correlation = Moments(x.dims, np.zeros_like(x.mean), profile.source.correlation)
    window = correlation.averaged([k])
    rho = float(np.clip((count * window.q - 1.0) / (count - 1.0), -1.0 / (count - 1.0), 1.0))
    axis = Axis(len(ranks), np.arange(len(ranks)) * min(GROUP_LIMIT, len(ranks)) // len(ranks), role)
    values, keys = (np.take(p.values, 0, axis=k + 1) for p in (profile, key))
    order = order_statistics(values, keys, equicorrelated(count, rho), ranks, axis, grid(profile.source.points)[1])
    others = [a for n, a in enumerate(x.axes) if n != k]
    # of two rows: as alike as their averages, or, where these are fixed, as the entries at one place
    alike = np.clip(window.pair / window.q if window.q * count > FIXED else np.take(correlation.pair, 0, axis=k), -1.0, 1.0)
    spread = np.sqrt(np.maximum(order.square - order.mean**2, 0.0))
    own_row = tuple(slice(0, a.groups) for a in others)
    pair = np.empty((axis.states, *(a.states for a in others)))
    for state, (g, h) in enumerate(zip(*axis.rows, strict=True)):
        pair[state] = outer_means(others, order.mean[g], order.mean[h]) + outer_means(others, spread[g], spread[h]) * alike
        index: tuple[int | slice, ...] = (state, *own_row)
        pair[index] = order.square[g] if state < axis.groups else order.product[g, h]
    one = len(ranks) == 1
    mean, pair = (v[0] if one else np.moveaxis(v, 0, k) for v in (order.mean, pair))
    y = Moments(replaced(x.dims, k, () if one else (axis,)), mean, pair, method="quadrature", flags=flags_of([before]))
    y.positive, y.zeros = bool(np.all(profile.values >= 0)), order.zeros
    return tape.record([before], y, lambda g: [selected(before, returned(g, d, count), order.chance, len(ranks) / count)])


def returned(g: Moments, d: int, count: int) -> Moments:
    """The cotangent of the sorted entries as if every entry of a row of `count` had been one of them.

    Two of one row meet less often than by chance, as they are different ones.
    """
    g = single(g, d)
    at = g.position(d)
    if not g.dims[d]:
        g = g.with_(dims=(*g.dims[:d], (Axis(1),), *g.dims[d + 1 :]), mean=np.expand_dims(g.mean, at), pair=np.stack([g.pair] * 2, axis=at))
    g = g.coarsened(at)
    few = float(g.axes[at].size)
    own, apart = np.take(g.pair, 0, axis=at), np.take(g.pair, 1, axis=at)
    first = np.array(own / few + apart * (1.0 - 1.0 / few))  # of two rows, where any ranks may meet
    second = first.copy()
    own_row = tuple(slice(0, axis.groups) for n, axis in enumerate(g.axes) if n != at)
    first[own_row] = own[own_row]
    second[own_row] = apart[own_row] * ((few - 1.0) * count / (few * (count - 1.0)))
    return Moments(replaced(g.dims, at, (Axis(count),)), g.mean, np.stack([first, second], axis=at))


def smoothed(chance: Array, weight: Array) -> Array:
    """How likely an entry is chosen by its z, freed of the noise of the draws: a logistic curve or a bump of few waves."""
    z = np.arange(len(chance)) - (len(chance) - 1) / 2
    width = len(chance) / 40.0
    kernel = np.exp(-0.5 * (np.subtract.outer(z, z) / width) ** 2) * weight
    return np.asarray((kernel @ np.nan_to_num(chance, posinf=0.0)) / kernel.sum(1))


def places(x: Moments, dim: int, ranks: Labels) -> Ranked:
    """One draw of the places of these ranks, as every integer path is."""
    import torch

    from initlint.propagate.sampling import draw

    if int(np.prod(x.shape)) > LARGEST:
        raise CannotPredict("too many entries to draw their order")
    d = x.dim(dim)
    drawn = np.asarray(draw(x, np.random.default_rng(SEED))).reshape(x.shape)
    order = np.argsort(-drawn, axis=d, kind="stable").take(ranks, axis=d)
    return Ranked(torch.from_numpy(np.ascontiguousarray(order)), of=x, dim=d, ranks=ranks)


@transfer("topk")
def topk(tape: Tape, x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> list[Any]:
    x = as_moments(x)
    ranks = np.arange(k) if largest else x.shape[x.dim(dim)] - 1 - np.arange(k)
    return [ranked(tape, x, dim, ranks), places(x, dim, ranks)]


@transfer("sort")
def sort(tape: Tape, x: Any, dim: Any = -1, descending: bool = False, *args: Any, stable: bool | None = None) -> list[Any]:
    if isinstance(dim, bool):  # sort.stable has the flag first
        dim, descending = (descending if isinstance(descending, int) else -1), bool(args and args[0])
    x = as_moments(x)
    ranks = np.arange(x.shape[x.dim(dim)])
    ranks = ranks if descending else ranks[::-1].copy()
    return [ranked(tape, x, dim, ranks), places(x, dim, ranks)]


@transfer("msort")
def msort(tape: Tape, x: Any) -> Any:
    return sort(tape, x, 0)[0]


@transfer("argsort")
def argsort(tape: Tape, x: Any, dim: int = -1, descending: bool = False, *args: Any, **kwargs: Any) -> Any:
    x = as_moments(x)
    ranks = np.arange(x.shape[x.dim(dim)])
    return places(x, dim, ranks if descending else ranks[::-1].copy())


@transfer("kthvalue")
def kthvalue(tape: Tape, x: Any, k: int, dim: int = -1, keepdim: bool = False) -> list[Any]:
    x = as_moments(x)
    d = x.dim(dim)
    ranks = np.array([x.shape[d] - int(k)])
    values, where = ranked(tape, x, d, ranks), places(x, d, ranks)
    if keepdim:
        return [values, where]
    return [reshaped(tape, values, [n for m, n in enumerate(x.shape) if m != d]), Known(where.tensor.squeeze(d))]


@transfer("median")
def median(tape: Tape, x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    x = as_moments(x)
    if dim is None:
        flat = reshaped(tape, x, [int(np.prod(x.shape))])
        return kthvalue(tape, flat, (flat.shape[0] + 1) // 2)[0]
    return kthvalue(tape, x, (x.shape[x.dim(dim)] + 1) // 2, dim, keepdim)


def in_order_of(x: Moments, d: int, indices: Known) -> Ranked | None:
    """The ranks that `indices` are of a function of x's own source along dimension d, if they are."""
    if not isinstance(indices, Ranked) or indices.of is None or indices.dim != d or indices.of.shape != x.shape:
        return None
    return indices if lineage(indices.of) == lineage(x) else None
