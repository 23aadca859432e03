"""Sums, means, variances, norms, maxima and cumulative sums.

Sums and means are linear, hence exact. Variances and norms are composed of centring, squaring and averaging. The largest
of n equicorrelated values follows P(M ≤ t) = E_ξ[Φ((t − √ρ ξ)/√(1−ρ))ⁿ].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from initlint.propagate.axes import Array, Axis, along, weighed
from initlint.propagate.linear import mapped, octaves
from initlint.propagate.moments import Moments, outer_means
from initlint.propagate.ops.arithmetic import added
from initlint.propagate.ops.functions import affine, torch_function, unary
from initlint.propagate.ops.gather import shown, single
from initlint.propagate.ops.registry import CannotPredict, as_moments, transfer
from initlint.propagate.ops.view import reshaped
from initlint.propagate.pointwise import Cotangent, Profile, Source, coarsened, grid, pair_of, profile_of, root_of, times
from initlint.propagate.sums import correlations
from initlint.propagate.tape import Known, Tape, Unknown

LEAST_SHARED = 1e-6  # correlation of entries below which they have nothing in common
LIKENESS = np.linspace(0.0, 1.0, 9) ** 2  # one minus the correlations at which those of maxima are tabulated
REACH, FINE = 8.0, 0.03  # of the integral over two normal numbers


def chosen(x: Moments, dim: Any) -> list[int]:
    """Dimensions named by an operator's argument, all of them for None or ()."""
    rank = len(x.dims)
    if dim is None or (isinstance(dim, list | tuple) and len(dim) == 0):
        return list(range(rank))
    return sorted({d % rank for d in (dim if isinstance(dim, list | tuple) else [dim])}) if rank else []


def without_dims(x: Moments, gone: Sequence[int]) -> Moments:
    """x without dimensions that have size one."""
    return x.with_(dims=tuple(axes for d, axes in enumerate(x.dims) if d not in gone))


def reduced(tape: Tape, x: Moments, dims: Sequence[int], keep: bool, mean: bool) -> Moments:
    """Sum or mean over whole dimensions; a sum that keeps them is known as a multiple of the mean."""
    if keep and not mean and dims:
        return affine(tape, reduced(tape, x, dims, keep, True), float(math.prod([x.shape[d] for d in dims])), 0.0)
    axes = x.dim_axes(dims)
    count = float(math.prod([x.axes[k].size for k in axes]))
    y = x.summed(axes)
    if mean:
        y = y.scaled(1.0 / count)
    if not axes:
        y.zeros = x.zeros
    wide = y.dims
    if not keep:
        y = without_dims(y, dims)
    elif mean:
        y.averaged_of = (x, tuple(dims))

    def pull(g: Moments) -> list[Moments]:
        if not keep:
            inside = iter(g.dims)
            g = g.with_(dims=tuple(() if d in dims else next(inside) for d in range(len(wide))))
        g = g.expanded(x.shape)
        return [g.scaled(1.0 / count) if mean else g]

    return tape.record([x], y, pull)


@transfer("sum")
def sum_(tape: Tape, x: Any, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Moments:
    x = as_moments(x)
    return reduced(tape, x, chosen(x, dim), keepdim, mean=False)


@transfer("mean")
def mean(tape: Tape, x: Any, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Moments:
    x = as_moments(x)
    return reduced(tape, x, chosen(x, dim), keepdim, mean=True)


def marginals(pair: Array, x: Moments, axes: Sequence[int]) -> tuple[Array, Array, Array]:
    """E[x_u x̄], E[x̄ x_v] and E[x̄ x̄] with x̄ the average over `axes`, each broadcast back to pair states."""
    rows, columns, both = pair, pair, pair
    for k in axes:
        axis = x.axes[k]
        (row, column), (of_rows, of_columns) = axis.rows, axis.averages
        alike = rows is columns and axis.labels is None
        rows = along(of_rows, rows, k).take(row, axis=k)
        columns = rows if alike else along(of_columns, columns, k).take(column, axis=k)
        both = weighed(both, axis.pair_shares, k, keep=True)
    return rows, columns, both


def project(x: Moments, axes: Sequence[int], factor: float) -> tuple[Array, Array]:
    """Mean and pair moments of x + factor · (average of x over axes)."""
    rows, columns, both = marginals(x.pair, x, axes)
    pair = x.pair + factor * (rows + columns) + factor**2 * both
    average = x.mean
    for k in axes:
        axis = x.axes[k]
        average = weighed(average, axis.shares, k, keep=True)
    return x.mean + factor * average, pair


def centred(tape: Tape, x: Moments, dims: Sequence[int]) -> Moments:
    """x minus its average over some dimensions; asked twice, it is the same tensor."""
    key = tuple(dims)
    if x.centred is not None and key in x.centred and not tape.blocked:
        return x.centred[key]
    mean_, pair = project(x, x.dim_axes(dims), -1.0)
    y = x.with_(mean=mean_, pair=pair, zeros=0.0, positive=False, negative=False)
    y = tape.record([x], y, lambda g: [g.with_(pair=project(g, g.dim_axes(dims), -1.0)[1])])
    x.centred = {**(x.centred or {}), key: y}
    return y


@transfer("var")
def var(tape: Tape, x: Any, dim: Any = None, correction: Any = 1, keepdim: bool = False, **kwargs: Any) -> Moments:
    x = as_moments(x)
    if isinstance(dim, bool):
        dim, correction = None, int(dim)
    if isinstance(correction, bool) or correction is None:
        correction = 1 if correction is None else int(correction)
    if "unbiased" in kwargs:
        correction = int(kwargs["unbiased"])
    dims = chosen(x, dim)
    count = float(math.prod([x.shape[d] for d in dims]))
    square = unary(tape, centred(tape, x, dims), torch_function("square", (), {}))
    y = reduced(tape, square, dims, keepdim, mean=True)
    return affine(tape, y, count / max(count - correction, 1e-9), 0.0)


@transfer("std")
def std(tape: Tape, x: Any, dim: Any = None, correction: Any = 1, keepdim: bool = False, **kwargs: Any) -> Moments:
    return unary(tape, var(tape, x, dim, correction, keepdim, **kwargs), torch_function("sqrt", (), {}))


@transfer("var_mean")
def var_mean(tape: Tape, x: Any, dim: Any = None, correction: Any = 1, keepdim: bool = False, **kwargs: Any) -> list[Moments]:
    return [var(tape, x, dim, correction, keepdim, **kwargs), mean(tape, x, dim, keepdim)]


@transfer("std_mean")
def std_mean(tape: Tape, x: Any, dim: Any = None, correction: Any = 1, keepdim: bool = False, **kwargs: Any) -> list[Moments]:
    return [std(tape, x, dim, correction, keepdim, **kwargs), mean(tape, x, dim, keepdim)]


@transfer("linalg_vector_norm", "norm")
def vector_norm(tape: Tape, x: Any, order: Any = 2, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Moments:
    x = as_moments(x)
    dims = chosen(x, dim)
    order = 2.0 if order is None else float(order)
    if order == 2.0:
        square = unary(tape, of_norm(tape, x, lambda: total), torch_function("square", (), {}))
        # as a mean, so that a division by it is known for what it is
        count = float(math.prod([x.shape[d] for d in dims]))
        total = affine(tape, reduced(tape, square, dims, keepdim, mean=True), count, 0.0)
        return unary(tape, total, torch_function("sqrt", (), {}))
    size = unary(tape, x, torch_function("abs", (), {}))
    if order == 1.0:
        return reduced(tape, size, dims, keepdim, mean=False)
    if order == float("inf"):
        return largest(tape, size, dims, keepdim)
    power = unary(tape, size, torch_function("pow", (order,), {}))
    return unary(tape, reduced(tape, power, dims, keepdim, mean=False), torch_function("pow", (1 / order,), {}))


def of_norm(tape: Tape, x: Moments, total: Callable[[], Moments]) -> Moments:
    """x, as the entries of a vector whose length is taken: what comes back is g x/|x|, whose squares add up to g² whatever |x| is.

    The square g²/|x|² of the root's slope and x² are multiplied as if independent, E[1/|x|²] E[x²]; entries that are alike have
    E[x²/|x|²] = E[x²]/E|x|².
    """

    def pull(g: Cotangent) -> list[Cotangent]:
        values = profile_of(total()).values
        w = grid(len(values))[1]
        with np.errstate(divide="ignore"):
            even = (w @ values.reshape(len(w), -1)) * (w @ (1.0 / values.reshape(len(w), -1)))
        return [g.scaled(float(np.sqrt(1.0 / even[np.isfinite(even)]).mean()) if np.isfinite(even).any() else 1.0)]

    return tape.record_coherent([x], x.with_(affine=(x, 1.0, 0.0)), pull)


@transfer("logsumexp")
def logsumexp(tape: Tape, x: Any, dim: Any, keepdim: bool = False) -> Moments:
    """The logarithm of a sum of exponentials; masked terms are none. Back go the shares of the terms, a softmax.

    What all terms of a sum have in common is not in their shares. So the share of x is taken as e^{s x} over n times its
    average, a function of x's source, with s such that Gaussian terms have the participation of a softmax.
    """
    from initlint.propagate.ops.attention import participation, softmax

    x = as_moments(x)
    dims = chosen(x, dim)
    axes = x.dim_axes(dims)
    tape.blocked += 1
    try:
        common, rest = common_part(x, axes)
        terms = unary(tape, rest, torch_function("exp", (), {}))
        total = reduced(tape, terms if x.valid is None else times(terms, shown(x)), dims, keepdim, mean=False)
        y = unary(tape, total, torch_function("log", (), {}))
        if common is not None:
            y = Moments(y.dims, y.mean, y.pair + common, method=y.method, flags=y.flags)
        share = softmax(tape, x, dims[0]) if x.valid is not None and len(dims) == 1 else None
    finally:
        tape.blocked -= 1

    def wide(g: Moments) -> Moments:
        if not keepdim:
            inside = iter(g.dims)
            g = g.with_(dims=tuple(() if d in dims else next(inside) for d in range(len(x.dims))))
        return g.expanded(x.shape)

    if share is not None:
        return tape.record([x], y, lambda g: [times(wide(g), Moments(share.dims, np.zeros(share.mean.shape), share.pair))])
    count = float(math.prod([x.axes[k].size for k in axes]))
    noise = Moments(x.dims, np.zeros(x.mean.shape), x.centered())
    within = noise.average(noise.with_(pair=project(noise, axes, -1.0)[1]).cells) * count / max(count - 1.0, 1.0)
    profile = profile_of(x)
    weights = grid(profile.source.points)[1].reshape(-1, *(1,) * x.mean.ndim)
    even = float(participation(np.array(count), np.array(within))[0]) * count
    tilted = np.exp(np.sqrt(np.log(max(even, 1.0)) / max(noise.q, 1e-300)) * (profile.values - (weights * profile.values).sum(0)))
    shares = tilted / (weights * tilted).sum(0) / count

    def pull(g: Moments) -> list[Cotangent]:
        result = Cotangent()
        result.add_coherent(wide(g), profile.source, shares)
        return [result]

    return tape.record([x], y, pull)


def common_part(x: Moments, axes: Sequence[int]) -> tuple[Array | None, Moments]:
    """What entries along some axes have in common, as covariances by pair state of the other axes, and x without it.

    Gaussian entries that are equally correlated are a common one plus independent ones: log Σ exp(c + e) = c + log Σ exp e.
    """
    base = root_of(x)
    count = float(math.prod([x.axes[k].size for k in axes]))
    if (base.profile is not None and not base.profile.normal) or base.sample is not None or count < 2:
        return None, x
    if base.positive or base.negative:
        return None, x
    whole, own = x.centered(), x.centered()
    for k in sorted(axes, reverse=True):
        whole = weighed(whole, x.axes[k].pairs, k)
        own = weighed(own[(slice(None),) * k + (x.axes[k].cells,)], x.axes[k].counts, k)
    common = np.asarray((whole - own) / (count * (count - 1.0)))
    cells = tuple([axis.cells for k, axis in enumerate(x.axes) if k not in axes])
    if np.any(common[cells] <= 0.0):
        return None, x
    wide = np.expand_dims(common, tuple(axes)) if axes else common
    return common, x.with_(pair=x.pair - wide)


def largest(tape: Tape, x: Moments, dims: Sequence[int], keep: bool, sign: float = 1.0) -> Moments:
    """The largest (sign 1) or smallest (sign −1) entry over whole dimensions."""
    before = x
    axes = x.dim_axes(dims)
    x = coarsened(x, axes)
    if not axes:
        return before if keep else reshaped(tape, before, [n for d, n in enumerate(before.shape) if d not in dims])
    count = float(math.prod([x.axes[k].size for k in axes]))
    profile = profile_of(x)
    correlation = Moments(x.dims, np.zeros(x.mean.shape), profile.source.correlation)
    y, chance = maximum_law(profile, correlation.averaged(axes), count, sign)
    y.flags = before.flags
    y = y if keep else without_dims(y, dims)
    shape = before.shape

    def pull(g: Moments) -> list[Cotangent]:
        if not keep:
            inside = iter(g.dims)
            g = g.with_(dims=tuple(() if d in dims else next(inside) for d in range(len(shape))))
        return [selected(before, routed(g.expanded(shape), dims, count), chance, 1.0 / count)]

    return tape.record([before], y, pull)


def routed(wide: Moments, dims: Sequence[int], count: float) -> Moments:
    """A broadcast cotangent, with nothing in common between two entries of one window: they are never both the largest."""
    axes = wide.dim_axes(dims)
    same = np.ones((1,) * wide.pair.ndim, dtype=bool)
    for k in range(len(wide.axes)):
        inside = np.arange(wide.axes[k].states) < wide.axes[k].groups
        inside = inside.reshape([-1 if n == k else 1 for n in range(wide.pair.ndim)])
        same = same & (inside if k in axes else np.ones_like(inside))
    every = np.ones((1,) * wide.pair.ndim, dtype=bool)
    for k in range(len(wide.axes)):
        if k not in axes:
            inside = np.arange(wide.axes[k].states) < wide.axes[k].groups
            every = every & inside.reshape([-1 if n == k else 1 for n in range(wide.pair.ndim)])
    # same window (the other axes agree), different entries
    return wide.with_(pair=np.where(every & ~same, 0.0, wide.pair))


def selected(
    x: Moments, routed_cotangent: Moments, chance: Array, share: float, wanted: tuple[Sequence[int], Array] | None = None
) -> Cotangent:
    """A cotangent that goes to the `share` of entries that were chosen, large ones more likely by `chance` (average one).

    An entry's own square is kept with probability share·chance(z) (more than one where windows overlap), two entries are
    chosen with the product of theirs: one term for the diagonal, one for the rest. `wanted` are axes and the square of the
    sum over them by pair state of the others, which selecting does not change: what all positions share may be a small rest
    of large terms, after a batch norm for one, and is the gradient of a bias.
    """
    profile = profile_of(x)
    points = profile.source.points
    z_from, z_to = grid(len(chance))[0], grid(points)[0]
    odds = np.interp(z_to, z_from, chance)
    odds = share * odds / (grid(points)[1] @ odds)
    shape = (-1, *(1,) * (profile.values.ndim - 1))
    same = np.zeros(routed_cotangent.pair.shape)
    index = tuple(slice(0, axis.groups) for axis in routed_cotangent.axes)
    same[index] = routed_cotangent.pair[index]
    zero = np.zeros(routed_cotangent.mean.shape)
    own = Moments(routed_cotangent.dims, zero, same)
    apart = Moments(routed_cotangent.dims, zero, routed_cotangent.pair - same)
    if wanted is not None and tuple(map(len, x.dims)) == tuple(map(len, apart.dims)):
        both = Profile(profile.source, np.broadcast_to(odds.reshape(shape), profile.values.shape))
        met = times(Moments(profile.source.dims, zero_mean(x), pair_of(None, both)), apart)
        axes, total = wanted
        inside, diagonal = (t.summed(axes).pair for t in (met, own.with_(pair=own.pair * share)))
        if inside.shape == total.shape:
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.where(np.abs(inside) > 1e-12 * np.abs(total).max(), (total - diagonal) / inside, 1.0)
            # an entry that is the largest of several windows has a larger square, which the others make up for, as far as Cauchy and Schwarz
            bound = max(2.0, own.q / max(share * float(np.abs(apart.pair).max()), 1e-300))
            full = np.clip(ratio, -bound, bound)
            for k in sorted(axes):
                full = np.expand_dims(full, k)
            apart = apart.with_(pair=apart.pair * full)
    result = Cotangent()
    for root, factor in ((own, np.sqrt(odds)), (apart, odds)):
        result.add_coherent(root, profile.source, np.broadcast_to(factor.reshape(shape), profile.values.shape))
    return result


def zero_mean(x: Moments) -> Array:
    """Zeros in the shape of x's mean."""
    return np.zeros(x.mean.shape)


def maximum_law(profile: Profile, window: Moments, count: float, sign: float) -> tuple[Moments, Array]:
    """Moments of the extreme of `count` entries that are a function f of equicorrelated Gaussians.

    The entries of a window are √ρ u + √(1−ρ) e, their extreme f(√ρ u + √(1−ρ) M) with M that of independent ones where f is
    increasing; of any f, that none is larger than t has the probability P(f ≤ t | u)ⁿ given u. `window` has the
    pair moments c of the averages of the Gaussians over each window. Two windows have c/ρ of u in common, for which
    Cov(h(u), h(u')) = Σ h_k² (c/ρ)^k with h(u) = E[f | u]; what exceeds ρ is entries that are alike in both, and M with them
    (`in_common`). Also returns, on the grid, how much more likely than on average an entry is chosen.
    """
    import torch

    z, _, _ = grid(profile.source.points)
    values = profile.values.reshape(len(z), *window.mean.shape)
    variance = window.q
    rho = min(max((count * variance - 1.0) / max(count - 1.0, 1.0), 0.0), 1.0 - 1e-9)
    step = z[1] - z[0]
    edges = np.concatenate([z - step / 2, [z[-1] + step / 2]])
    common, weight, transform = grid(160)
    inner = (edges[:, None] - np.sqrt(rho) * common[None, :]) / np.sqrt(1.0 - rho)
    flat = values.reshape(len(z), -1)
    rise = np.diff(flat.sum(1))
    if np.any(rise > 0) and np.any(rise < 0):  # neither increasing nor decreasing: in the order of its values
        below = np.diff(torch.special.ndtr(torch.from_numpy(inner)).numpy(), axis=0)
        order = np.argsort(sign * flat.sum(1), kind="stable")
        given = np.empty_like(below)
        given[order] = np.diff(np.cumsum(below[order] / below.sum(0), axis=0) ** count, axis=0, prepend=0.0)
    else:
        given = np.diff(np.exp(torch.special.log_ndtr(torch.from_numpy(inner)).numpy() * count), axis=0)  # on the grid, given u
        given /= given.sum(0)
        if sign < 0:
            given = given[::-1, ::-1]
        if flat[-1].sum() < flat[0].sum():  # a decreasing function: its largest value is at the smallest argument
            given = given[::-1, ::-1]
    mass = given @ weight
    known = given.T @ flat
    second = (mass @ flat**2).reshape(window.mean.shape)
    series = (transform @ known).reshape(-1, *window.mean.shape)
    left = np.maximum((weight @ known**2).reshape(window.mean.shape) - (series**2).sum(0), 0.0)
    own = np.maximum(second - (series**2).sum(0) - left, 0.0)
    alike = np.clip(window.pair / rho, -1.0, 1.0) if rho > LEAST_SHARED else np.zeros_like(window.pair)
    both = in_common(count, np.clip((window.pair - rho) * count / (1.0 - rho), 0.0, 1.0))
    pair, power = outer_means(window.axes, np.sqrt(own), np.sqrt(own)) * both, np.ones_like(alike)
    for coefficient in series:
        pair = pair + outer_means(window.axes, coefficient, coefficient) * power
        power = power * alike
    pair += outer_means(window.axes, np.sqrt(left), np.sqrt(left)) * np.maximum(power, 0.0)
    pair[tuple(slice(0, axis.groups) for axis in window.axes)] = second
    y = Moments(window.dims, series[0], pair, method="quadrature")
    y.zeros = float((mass @ (flat == 0)).mean())
    y.positive = bool(np.all(values >= 0))
    y.profile = _law_of_extreme(y, flat, mass)
    return y, mass / grid(profile.source.points)[1]


@lru_cache(maxsize=64)
def _commons(count: float) -> Array:
    """(1 − C)/(1 − c) at LIKENESS, for C the correlation of the largest of `count` normal numbers with that of numbers correlated by c.

    By Hoeffding's formula Cov(M, M') = ∫∫ P(z ≤ a, z' ≤ b)ⁿ − P(z ≤ a)ⁿ P(z ≤ b)ⁿ da db.
    """
    import torch

    def normal(x: Array) -> Array:
        return np.asarray(torch.special.ndtr(torch.from_numpy(x)).numpy())

    middle = np.arange(-REACH, REACH, FINE) + FINE / 2
    mass = np.diff(normal(np.append(middle - FINE / 2, middle[-1] + FINE / 2)))
    ends = middle + FINE / 2
    alone = normal(ends) ** count
    apart = np.outer(alone, alone)
    variance = float((np.minimum.outer(alone, alone) - apart).sum())
    found = [1.0 / (variance * FINE**2)]  # where they are the same but for a little, the largest is the same entry
    for unlike in LIKENESS[1:]:
        given = normal((ends[None, :] - (1.0 - unlike) * middle[:, None]) / np.sqrt(unlike * (2.0 - unlike)))
        both = np.minimum(np.cumsum(mass[:, None] * given, 0), 1.0) ** count
        found.append((1.0 - float((both - apart).sum()) / variance) / unlike)
    return np.array(found)


def in_common(count: float, alike: Array) -> Array:
    """The correlation of the largest of `count` independent normal numbers with that of others, each correlated with one by `alike`."""
    apart = 1.0 - alike
    return np.asarray(1.0 - apart * np.interp(np.sqrt(apart), np.sqrt(LIKENESS), _commons(count)))


def _law_of_extreme(y: Moments, values: Array, mass: Array) -> Profile | None:
    """An extreme as a function of a source of its own: `values` on the grid, taken with this mass, in order."""
    import torch

    if not np.all(y.cells > y.mean**2):
        return None
    source = Source(y)
    z = grid(source.points)[0]
    reached = np.cumsum(mass) - mass / 2
    at = np.interp(torch.special.ndtr(torch.from_numpy(z)).numpy(), reached, np.arange(len(mass)))
    result = np.stack([np.interp(at, np.arange(len(mass)), column) for column in values.T], 1).reshape(-1, *y.mean.shape)
    w = grid(source.points)[1].reshape(-1, *(1,) * y.mean.ndim)
    result = result * np.sqrt(y.cells / np.maximum((w * result**2).sum(0), 1e-300))  # what is zero stays so
    source.correlation = correlations(source, result, y)
    return Profile(source, result)


@transfer("amax")
def amax(tape: Tape, x: Any, dim: Any = None, keepdim: bool = False) -> Moments:
    x = as_moments(x)
    return largest(tape, x, chosen(x, dim), keepdim)


@transfer("amin")
def amin(tape: Tape, x: Any, dim: Any = None, keepdim: bool = False) -> Moments:
    x = as_moments(x)
    return largest(tape, x, chosen(x, dim), keepdim, -1.0)


def _of_dimension(sign: float) -> Any:
    def run(tape: Tape, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        x = as_moments(x)
        if isinstance(dim, Moments | Known):
            from initlint.propagate.ops.extremes import extreme

            return extreme(tape, x, dim, sign)
        if dim is None:
            return largest(tape, x, chosen(x, None), False, sign)
        return [largest(tape, x, chosen(x, dim), keepdim, sign), partial(_where, x, dim, keepdim, sign)]

    return run


def _where(x: Moments, dim: int, keepdim: bool, sign: float) -> Known | Unknown:
    """One draw of the places of the largest (sign 1) or smallest entries."""
    from initlint.propagate.ops.ranked import places

    d = x.dim(dim)
    try:
        found = places(x, d, np.array([0 if sign > 0 else x.shape[d] - 1]))
    except CannotPredict as problem:
        return Unknown(str(problem))
    return found if keepdim else Known(found.tensor.squeeze(d))


transfer("max")(_of_dimension(1.0))
transfer("min")(_of_dimension(-1.0))


@transfer("cumsum")
def cumsum(tape: Tape, x: Any, dim: int, **kwargs: Any) -> Moments:
    x = as_moments(x)
    d = x.dim(dim)
    x = single(x, d)
    if not x.dims[d]:
        return x
    size = x.shape[d]
    k = x.position(d)
    matrix = np.tril(np.ones((size, size)))
    like = x.dims[d][0]
    if like.labels is None:
        y = mapped(x, k, matrix, Axis(size, octaves(np.arange(1, size + 1)), like.role))
    else:
        y = mapped(x, k, matrix)

    def pull(g: Moments) -> list[Moments]:
        g = single(g, d)
        return [mapped(g, g.position(d), matrix.T, like)]

    return tape.record([x], y, pull)


@transfer("diff")
def diff(tape: Tape, x: Any, n: int = 1, dim: int = -1, *args: Any) -> Moments:
    x = as_moments(x)
    d = x.dim(dim)
    from initlint.propagate.ops.view import taken

    size = x.shape[d]
    return added(tape, taken(tape, x, d, np.arange(1, size)), taken(tape, x, d, np.arange(size - 1)), -1.0)


@transfer("prod", "cumprod")
def prod(tape: Tape, x: Any, *args: Any, **kwargs: Any) -> Moments:
    raise CannotPredict("a product over a dimension")
