"""Covariances of two tensors, as the pair of a tensor without mean: their algebra, and what sums and products make of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from initlint.propagate.axes import Array, Axis, Labels, refinement, state_of
from initlint.propagate.moments import Moments, align, outer_means
from initlint.propagate.sources import Profile, grid


def swapped(c: Moments) -> Moments:
    """Cov(y_u, x_v) from Cov(x_u, y_v)."""
    pair = c.pair
    for k, axis in enumerate(c.axes):
        if axis.labels is not None:
            row, column = axis.rows
            states = state_of(axis.groups, column, row)
            states[: axis.groups] = np.arange(axis.groups)
            pair = np.take(pair, states, axis=k)
    return c.with_(pair=pair)


def alone(x: Moments) -> Moments:
    """Cov(x_u, x_v)."""
    return plain(x.dims, x.centered())


def plain(dims: Any, pair: Array) -> Moments:
    """A covariance as the pair of a tensor."""
    return Moments(dims, np.zeros([axis.groups for dim in dims for axis in dim]), pair)


def total(terms: list[Moments | None]) -> Moments | None:
    """The sum of covariances."""
    found = [t for t in terms if t is not None]
    if not found:
        return None
    if len(found) == 1 and found[0].profile is None:
        return found[0]  # with what is known of its rows
    aligned = align(*found)
    return plain(aligned[0].dims, sum((t.pair for t in aligned[1:]), aligned[0].pair))


def weighed(c: Moments | None, a: Moments, y: Moments) -> Moments | None:
    """E[a_u] Cov(b_u, y_v) for the product a·b."""
    if c is None or not np.any(a.mean):
        return None
    c, a, _ = align(c, a, y)
    return plain(c.dims, c.pair * outer_means(c.axes, a.mean, np.ones_like(a.mean)))


def correlation(c: Moments, u: Moments, v: Moments) -> Array:
    """Of two aligned tensors, from their covariance."""
    scale = outer_means(c.axes, *(np.sqrt(np.maximum(w.cells - w.mean**2, 0.0)) for w in (u, v)))
    return np.clip(np.divide(c.pair, scale, out=np.zeros_like(c.pair), where=scale > 0), -1.0, 1.0)


def series_on(profile: Profile, axes: tuple[Axis, ...]) -> Array | None:
    """Hermite coefficients of a function by cell, on finer or equal `axes`; None where they do not fit."""
    own = [axis for dim in profile.source.dims for axis in dim]
    if [axis.size for axis in own] != [axis.size for axis in axes]:
        return None
    series = np.tensordot(grid(profile.source.points)[2], profile.values, (1, 0))
    for k, (coarse, fine) in enumerate(zip(own, axes, strict=True)):
        if not coarse.same_partition(fine):
            series = np.take(series, refinement(coarse, fine), axis=k + 1)
    return np.asarray(series)


def apart(pair: Array, axes: tuple[Axis, ...], over: list[int]) -> Array:
    """Covariances of a tensor less its average over whole axes: those of the averages, taken off."""
    shared = pair
    for k in over:
        axis = axes[k]
        weight = axis.pairs / axis.size**2
        shared = np.expand_dims(np.tensordot(shared, weight, (k, 0)), k)
    return np.asarray(pair - shared)


def of_picked(c: Moments, d: int, indices: Labels, gone: bool) -> Moments:
    """Cov(u[i_o], y_v) from Cov(u, y) for entries of u at known indices of a dimension: one, or all of them in another order.

    Of n entries in another order as many pairs (o, v) meet themselves as the order leaves in place, the others elsewhere.
    """
    from initlint.propagate.ops.gather import single

    c = single(c, d)
    k, size = c.position(d), c.shape[d]
    if not c.dims[d]:
        return plain((*c.dims[:d], *c.dims[d + 1 :]), c.pair) if gone else c
    c = c.coarsened(k)
    same, apart = np.moveaxis(c.pair, k, 0)
    if len(indices) == 1:
        dims = (*c.dims[:d], *(() if gone else ((),)), *c.dims[d + 1 :])
        return plain(dims, same / size + apart * (1.0 - 1.0 / size))
    kept = float(np.mean(indices == np.arange(size)))
    moved = (1.0 - kept) / max(size - 1, 1)
    pair = np.stack([kept * same + (1.0 - kept) * apart, moved * same + (1.0 - moved) * apart])
    return plain(c.dims, np.moveaxis(pair, 0, k))


def both_ways(c: Moments) -> Moments:
    """Cov(x_u, y_v) + Cov(y_u, x_v): what a sum has beyond its terms."""
    return c.with_(pair=c.pair + swapped(c).pair)


def dependent_product(x: Moments, y: Moments, shared: Moments) -> Moments:
    """x·y of Gaussian tensors with Cov(x_u, y_v) = `shared` (Isserlis 1918), in raw moments M and means μ:

    E[x_u y_u x_v y_v] = M_xx M_yy + M_xy(u, u) M_xy(v, v) + M_xy(u, v) M_yx(u, v) − 2 μ_x(u) μ_y(u) μ_x(v) μ_y(v).
    """
    a, b, c = align(x, y, shared)
    own = c.pair[tuple(slice(0, axis.groups) for axis in c.axes)]
    means = a.mean * b.mean
    mean = means + own
    across = (a.mean_products(b) + c.pair) * (b.mean_products(a) + swapped(c).pair)
    plain = outer_means(a.axes, means, means)
    pair = a.pair * b.pair + outer_means(a.axes, mean, mean) + across - 2.0 * plain
    return Moments(a.dims, mean, pair)
