"""What pixels near each other have in common beyond any others: a correlogram along each of the last dimensions.

Pair moments tell "the same index" from "different ones", an average over all distances. Interpolation and overlapping averages make
neighbours more alike than that, and the next one of them adds up neighbours. With S = E[x²], F the covariance of far ones,

    E[x_p x_{p+k}] = F + (S − F) e(k),   e(0) = 1;   over two dimensions (S − F) e₁(k₁) e₂(k₂)

    a known map A                        E ↦ A E Aᵀ, averaged over equal distances
    independent weights at every tap     e(k) at k times the stride
    a function f of normal values        (G(ρ(k)) − G(ρ_F)) / (G(1) − G(ρ_F)),  G(ρ) = Σ a_j² ρ^j   (Mehler)
    the largest of n, with s in common   ∫ Φ(b)^(n−s) (1 − Φ(b)^s) ∫^b Φ(a)^n da db, over the same for s = n   (Hoeffding 1940)
    sums, products of strangers          those of the covariances

Assumed: positions are alike but for their distance (borders are not), and the product over dimensions, exact for separable maps of
white entries. Where an operator is not named here nothing is known of its result, which is then as it was without.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache, reduce
from typing import TYPE_CHECKING

import numpy as np

from initlint.propagate.axes import KEPT, Array, Axis, weighed
from initlint.propagate.linear import members
from initlint.propagate.sources import ORDER, Source, grid
from initlint.propagate.sparse import Sparse

if TYPE_CHECKING:
    from initlint.propagate.moments import Moments

Near = Mapping[int, Array]  # e(1), e(2) … by dimension, counted from the last
FARTHEST = 8  # places apart that are followed
LITTLE = 0.05  # of a correlation: no more is nothing
LONGEST = 256  # positions of which all pairs are looked at


def excess(e: Array, size: int) -> float:
    """The average of e over pairs of different positions."""
    distance = np.arange(1, len(e) + 1)
    return float((2.0 * np.maximum(size - distance, 0) * e).sum() / (size * max(size - 1, 1)))


def own_by_state(x: Moments, k: int, e: Array) -> Array:
    """S − F along axis k, by pair state of the others."""
    return own_part(np.moveaxis(x.pair, k, -1), x.axes[k], e)


def own_part(pair: Array, axis: Axis, e: Array | None) -> Array:
    """S − F, of pair moments by pair state of an axis along the last dimension."""
    apart = axis.pairs[axis.groups :]
    other = pair[..., axis.groups :] @ apart / max(apart.sum(), 1.0)
    return np.asarray((pair[..., axis.cells] @ axis.shares - other) / _apart(axis, e))


def level(x: Moments, d: int) -> tuple[float, float] | None:
    """(S, S − F) along dimension d, counted from the last; None where that is not one axis."""
    if -d > len(x.dims) or len(x.dims[d]) != 1:
        return None
    k = x.position(d % len(x.dims))
    e = x.near.get(d)
    if x.pair.size <= KEPT:
        return x.q, float(x.pair.reshape(-1) @ _own_weights(x.axes, k)) / _apart(x.axes[k], e)
    found = x.pair[tuple([slice(None) if n == k else axis.cells for n, axis in enumerate(x.axes)])]
    for n in range(len(x.axes) - 1, -1, -1):
        if n != k:
            found = weighed(found, x.axes[n].shares, n)
    return x.q, float(own_part(found, x.axes[k], e))


@lru_cache(maxsize=1024)
def _own_weights(axes: tuple[Axis, ...], k: int) -> Array:
    """What makes pair moments, flat, the difference between the same index and others along axis k, other indices the same."""
    axis = axes[k]
    apart = axis.pairs[axis.groups :]
    own = np.concatenate([axis.shares, -apart / max(apart.sum(), 1.0)])
    weights = [own if n == k else other.same_shares for n, other in enumerate(axes)]
    return np.asarray(reduce(np.multiply.outer, weights, np.ones(1))).reshape(-1)


def _apart(axis: Axis, e: Array | None) -> float:
    """The share of S − F that is left of the difference to an average over others."""
    return 1.0 if e is None else max(1.0 - excess(e, axis.size), LITTLE)


def kept(e: Array) -> Array | None:
    """As far as it is something."""
    e = e[:FARTHEST]
    told = np.flatnonzero(np.abs(e) > LITTLE)
    return e[: told[-1] + 1] if len(told) else None


def padded(e: Array | None, count: int) -> Array:
    """e to this distance."""
    result = np.zeros(count)
    if e is not None:
        result[: min(len(e), count)] = e[:count]
    return result


def tidy(found: Mapping[int, Array]) -> Near:
    result = {d: kept(e) for d, e in found.items()}
    return {d: e for d, e in result.items() if e is not None}


def through_map(x: Moments, y: Moments, d: int, matrix: Array | Sparse) -> Moments:
    """y = A x along dimension d, with what neighbours have in common; both have one axis there."""
    rank = len(x.dims)
    d = d % rank - rank
    if max(matrix.shape) > LONGEST or len(x.dims[d]) != 1 or (min(matrix.shape) == 1 and d not in x.near):
        y.near = {n: e for n, e in x.near.items() if n != d}
        return y
    e = x.near.get(d)
    dense = matrix @ np.eye(matrix.shape[1]) if isinstance(matrix, Sparse) else matrix
    together = toeplitz(e, matrix.shape[1])
    met = dense @ together @ dense.T
    if len(y.dims[d]) == 1:
        target, k = y.dims[d][0], y.position(d % rank)
        lengths = min(FARTHEST, matrix.shape[0] - 1)
        found = np.array([np.diagonal(met, n).mean() for n in range(lengths + 1)])
        new = {**{n: v for n, v in x.near.items() if n != d}, d: found[1:] / found[0] if found[0] > 0.0 else np.zeros(lengths)}
    else:
        target, k, new = Axis(1), x.position(d % rank), {n: v for n, v in x.near.items() if n != d}
    if e is not None:
        more = together - np.eye(len(together)) - excess(e, len(together)) * (1.0 - np.eye(len(together)))
        share = by_state(dense @ more @ dense.T, target)
        own = own_by_state(x, x.position(d % rank), e)
        added = np.moveaxis(own[..., None] * share, -1, k) if len(y.dims[d]) == 1 else own * share[0]
        y = y.with_(pair=y.pair + added)
    y.near = tidy(new)
    return y


def toeplitz(e: Array | None, size: int) -> Array:
    """E, by pair of positions."""
    row = np.concatenate([[1.0], padded(e, max(size - 1, 0))])
    index = np.arange(size)
    return np.asarray(row[np.abs(index[:, None] - index)])


def by_state(values: Array, axis: Axis) -> Array:
    """Averages of a table of pairs of indices, by pair state."""
    inside = members(axis)
    sums = inside.T @ values @ inside
    own = inside.T @ np.diagonal(values)
    sums[np.diag_indices(axis.groups)] -= own
    total = np.concatenate([own, sums.reshape(-1)])
    return np.asarray(np.divide(total, axis.pairs, out=np.zeros(axis.states), where=axis.pairs > 0))


def through_taps(x: Moments, taps: Sequence[Sequence[Sparse]], back: bool) -> Near:
    """What is left of x's behind independent weights at every tap, along the last dimensions; on the way back to their input."""
    found: dict[int, Array] = {}
    for j, matrices in enumerate(taps):
        d = j - len(taps)
        e = x.near.get(d)
        middle = matrices[len(matrices) // 2]
        if e is None or len(middle.rows) < 2:
            continue
        step, stride = (int(np.diff(np.asarray(places)[:2])[0]) for places in (middle.rows, middle.columns))
        if back:
            step, stride = stride, step
        distance = np.arange(1, FARTHEST + 1) * stride
        where = distance // max(step, 1)
        found[d] = np.where((distance % max(step, 1) == 0) & (where <= len(e)), padded(e, FARTHEST * max(stride, 1))[where - 1], 0.0)
    return tidy(found)


def of_maxima(windows: Moments, size: float) -> Near:
    """Of the largest of windows of this size, from what averages over neighbouring windows have in common.

    P(A ≤ a, B ≤ b) = Φ(a)^n Φ(b)^(n−s) for a < b, where averages have s/n in common. Assumed: what neighbours share beyond entries that
    are in both windows counts as such entries, and the function that is pooled is as good as linear where the largest lie.
    """
    return tidy({d: np.array([alike_maxima(size, size * min(max(float(n), 0.0), 1.0)) for n in e]) for d, e in windows.near.items()})


@lru_cache(maxsize=1024)
def alike_maxima(size: float, shared: float) -> float:
    """The correlation of the largest of two sets of normal numbers with this many in common."""
    import torch

    a = np.arange(-8.0, 8.0, 0.02)
    log = torch.special.log_ndtr(torch.from_numpy(a)).numpy()
    below = np.cumsum(np.exp(size * log))

    def met(s: float) -> float:
        return float((np.exp((size - s) * log) * -np.expm1(s * log)) @ below)

    return met(round(shared, 3)) / met(size)


def apart_by(g: Moments, axes: Mapping[int, int], distances: Mapping[int, int]) -> Array:
    """What entries at these distances have in common beyond the average of all others, by dimension: an array by pair state, size one along
    the axes; zero where nothing is known.

    axes  that dimensions counted from the last have, in the order of the axes
    """
    known = [d for d in axes if d in g.near]
    if not known:
        return np.zeros((1,) * g.pair.ndim)
    own = own_apart(g, [axes[d] for d in (known[0], *(d for d in axes if d != known[0]))], g.near[known[0]])
    here = average = 1.0
    for d, n in distances.items():
        if n:
            e = g.near.get(d)
            here *= 0.0 if e is None or n > len(e) else float(e[n - 1])
            average *= 0.0 if e is None else excess(e, g.axes[axes[d]].size)
    return np.asarray(own * (here - average))


def of_function(source: Source, values: Array) -> Near:
    """Of a function of a source that has some, given on its grid."""
    origin = source.origin
    transform, w = grid(source.points)[2], grid(source.points)[1]
    series = (transform @ values.reshape(source.points, -1)) ** 2
    coefficients = series.mean(1)[1:]
    rest = max(float((w @ values.reshape(source.points, -1) ** 2).mean()) - float(series.sum(0).mean()), 0.0)

    def met(rho: Array) -> Array:
        powers = rho[..., None] ** np.arange(1, ORDER)
        return np.asarray(powers @ coefficients + rest * rho**ORDER)

    found: dict[int, Array] = {}
    for d, e in origin.near.items():
        known = level(origin, d)
        variance = float(np.mean(source.deviation**2))
        if known is None or variance <= 0.0:
            continue
        far = np.clip(1.0 - known[1] / variance, -1.0, 1.0)
        one, none = met(np.ones(1))[0], met(np.array([far]))[0]
        if one > none:
            found[d] = (met(far + (1.0 - far) * e) - none) / (one - none)
    return tidy(found)


def of_sum(*terms: tuple[Moments, float]) -> Near:
    """Of a sum of strangers, as (term, weight of its covariances)."""
    sizes = [weight * x.q for x, weight in terms]
    whole = sum(sizes)
    known = [x.near for (x, _), size in zip(terms, sizes, strict=True) if size > LITTLE * whole]
    if all(e is known[0] for e in known[1:]):
        return known[0] if known else {}
    found: dict[int, Array] = {}
    for d in {d for near in known for d in near}:
        levels = [(x, weight, level(x, d)) for x, weight in terms]
        own = [0.0 if at is None else weight * at[1] for _, weight, at in levels]
        whole = sum(own)
        if whole > 0.0:
            found[d] = sum((share / whole * padded(x.near.get(d), FARTHEST) for (x, _, _), share in zip(levels, own, strict=True)), np.zeros(FARTHEST))
    return tidy(found)


def of_product(x: Moments, y: Moments) -> Near:
    """Of a product of strangers."""
    found: dict[int, Array] = {}
    for d in {*x.near, *y.near}:
        levels = _levels(x, y, d)
        if not levels:
            continue
        (s, own), (t, other) = levels
        one = s - own + own * padded(x.near.get(d), FARTHEST)
        two = t - other + other * padded(y.near.get(d), FARTHEST)
        far = (s - own) * (t - other)
        if s * t - far > 1e-9 * s * t:
            found[d] = (one * two - far) / (s * t - far)
    return tidy(found)


def with_products(z: Moments, x: Moments, y: Moments) -> Moments:
    """z = x·y, of strangers with the same axes, where an average over distances of products is not the product of averages.

    Of entries that differ along some dimensions, it is more by (S − F)_x (S − F)_y (Π e̅ₓe_y − Π e̅ₓ e̅_y) over these.
    """
    near = sorted(set(x.near) & set(y.near))
    axes = [z.position(d % len(z.dims)) for d in near]
    if not near or x.pair.shape != z.pair.shape or y.pair.shape != z.pair.shape:
        return z
    own = [own_apart(v, axes, v.near[near[0]]) for v in (x, y)]
    pair = z.pair.copy()
    means = []
    for d, k in zip(near, axes, strict=True):
        size = z.axes[k].size
        one, two = (padded(v.near[d], FARTHEST) for v in (x, y))
        means.append((excess(one * two, size), excess(one, size) * excess(two, size)))
    for apart in itertools.product((False, True), repeat=len(near)):
        if any(apart):
            chosen = [mean for mean, differ in zip(means, apart, strict=True) if differ]
            more = math.prod(both for both, _ in chosen) - math.prod(each for _, each in chosen)
            where: list[slice] = [slice(None)] * pair.ndim
            for k, differ in zip(axes, apart, strict=True):
                where[k] = slice(z.axes[k].groups, None) if differ else z.axes[k].cells
            pair[tuple(where)] += more * own[0] * own[1]
    return z.with_(pair=pair)


def own_apart(x: Moments, axes: Sequence[int], e: Array) -> Array:
    """S − F along the first of some axes, the others the same, by pair state of all others; these axes have size one."""
    found = x.pair
    for k in axes[1:]:
        found = weighed(found[(slice(None),) * k + (x.axes[k].cells,)], x.axes[k].shares, k, keep=True)
    return np.expand_dims(own_part(np.moveaxis(found, axes[0], -1), x.axes[axes[0]], e), axes[0])


def met_in_sum(x: Moments, y: Moments) -> float:
    """By how much Σ_p x_p y_p of strangers is more in square than by averages over distances, as a share of what each place adds."""
    near = sorted(set(x.near) & set(y.near))
    share = [math.prod(own / max(size, 1e-300) for size, own in known) for d in near for known in [_levels(x, y, d)] if known]
    if not near or len(share) < len(near):
        return 0.0
    both = first = second = count = 1.0
    for d in near:
        one, two = (padded(v.near[d], FARTHEST) for v in (x, y))
        size = x.shape[d]
        reach = 2.0 * np.maximum(1.0 - np.arange(1, FARTHEST + 1) / size, 0.0)  # pairs of places that are there
        both, first, second = both * (1.0 + float(reach @ (one * two))), first * (1.0 + float(reach @ one)), second * (1.0 + float(reach @ two))
        count *= size
    return max(share[0] * (both - 1.0 - (first - 1.0) * (second - 1.0) / max(count - 1.0, 1.0)), -1.0)


def _levels(x: Moments, y: Moments, d: int) -> list[tuple[float, float]]:
    """(S, S − F) of both; nothing where one is not known."""
    found = [level(v, d) for v in (x, y)]
    return [known for known in found if known is not None] if None not in found else []
