"""The law of a sum of independent terms that are not all normal, and what one term knows of a function of the sum.

A residual stream of ReLUs is max(0, u) + y: skewed, positive more often than a normal variable of its mean and variance would
be. Its values are the quantiles of that sum, as a function of a source whose correlations give back the pair moments:

    s(z) = F⁻¹(Φ(z)),   F(s) = Σ_i w_i Φ((s − f(u_i))/σ_y);     Σ_k a_k(u) a_k(v) ρ^k = Cov(s_u, s_v)

On the way back a function c(s), as the step of a ReLU, multiplies the cotangent of both terms, and a term max(0, u) has a step
of its own that goes with it: the chance of both is not the product. E[c²|u] and E[c|u] are carried as functions of u.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from initlint.propagate.axes import Array, refinement
from initlint.propagate.moments import Moments, align
from initlint.propagate.pointwise import Cotangent, Profile, Source, Term, grid, pair_of, profile_of, values_of

SHARE = 0.05  # of the variance: a term that is less of a sum leaves it normal, and learns little from it
TERMS = 16  # of a sum of sums that are looked at
DEPTH = 160  # values of s at which F is evaluated; even
STEPS = 4  # of Newton's method, for correlations
PLACES = 240  # of a term at which what it knows is evaluated
STEEP = 0.02  # of the deviation: a normal term that is less of a sum hardly smooths the steps of the others
ALIKE = 0.01  # relative difference of moments that is none
EDGE = 1e-14  # of probability
ATOM = 0.02  # share of the grid on which a sum is exactly zero, as that of ReLUs is, from which it has to stay so


def terms_of(x: Moments) -> list[Moments]:
    """The independent terms of a sum of sums, as far as none is known as a function of something; [x] if it is no sum."""
    found: list[Moments] = []
    waiting = [x]
    while waiting:
        term = waiting.pop()
        if term.profile is None and term.affine is None and term.parts and len(found) + len(waiting) < TERMS:
            if all(factor == 1.0 for _, factor in term.parts):
                waiting.extend(part for part, _ in term.parts)
                continue
        found.append(term)
    return found


def on_cells(values: Array, term: Moments, x: Moments) -> Array | None:
    """Values by cell of `term`, by cell of a sum x; None where their axes differ in kind."""
    if [a.size for a in term.axes] != [a.size for a in x.axes]:
        return None
    for k, (coarse, fine) in enumerate(zip(term.axes, x.axes, strict=True)):
        if not coarse.same_partition(fine):
            values = np.take(values, refinement(coarse, fine), axis=k + 1)
    return values


def law_of_sum(x: Moments) -> Profile | None:
    """A sum as a function of a source of its own; None where it is as good as normal, or its terms are not known."""
    terms = terms_of(x)
    if len(terms) < 2:
        return None
    variance = np.maximum(x.cells - x.mean**2, 0.0)
    other, rest = [], variance
    for term in terms:
        values = values_of(term)
        if values is None or term.q - term.m**2 < SHARE * (x.q - x.m**2):
            continue
        on = on_cells(values, term, x)
        if on is None:
            return None
        other.append(on)
        w = grid(len(on))[1].reshape(-1, *(1,) * x.mean.ndim)
        rest = rest - ((w * on**2).sum(0) - (w * on).sum(0) ** 2)
    if not other or not np.all(variance > 0):
        return None
    source = Source(x)
    z = grid(source.points)[0]
    result = np.empty((len(z), *x.mean.shape))
    found: dict[bytes, Array] = {}  # many cells, as those at opposite borders of an image, are alike
    for cell in np.ndindex(*x.mean.shape):
        column = (slice(None), *cell)
        columns, own = [values[column] for values in other], float(max(rest[cell], 0.0))
        key = b"".join(np.ascontiguousarray(values).tobytes() for values in (*columns, own))
        if key not in found:
            found[key] = quantiles(columns, own, z)
        result[column] = found[key]
    return fitted(source, result, x, holds_zeros=x.positive or bool(np.mean(result == 0.0) > ATOM))


def law_among_zeros(y: Moments, x: Moments, share: float) -> Profile | None:
    """Entries of x that are there with a probability and zero else, as a function of a source of its own."""
    found = profile_of(x).values
    values = on_cells(found, x, y) if found.shape[1:] == x.mean.shape else None
    if values is None and found.shape[1:] == y.mean.shape:
        values = found  # of a map of another size
    if values is None or not np.all(y.cells > y.mean**2):
        return None
    source = Source(y)
    reached = torch.special.ndtr(torch.from_numpy(grid(source.points)[0].copy())).numpy()
    weights = np.append(grid(len(values))[1] * share, 1.0 - share)
    result = np.empty((source.points, *y.mean.shape))
    for cell in np.ndindex(*y.mean.shape):
        column = (slice(None), *cell)
        result[column] = stepped(*merged(np.append(values[column], 0.0), weights), reached)
    return fitted(source, result, y, holds_zeros=True)


def share_of_present(g: Cotangent, y: Moments, x: Moments) -> Cotangent:
    """A cotangent of y, whose entries are those of x or zero, as those of x get it: what functions of y send back where it is no zero."""
    if y.profile is None:
        return g
    result = Cotangent(g.plain, g.spent)
    known, given = over_cells(y.profile.values, y), over_cells(profile_of(x).values, x)
    for key, term in g.coherent.items():
        gain = 1.0
        if term.source is y.profile.source:
            square = over_cells(term.values**2, y)
            [present] = expected([square], known, given, (np.ones(1), np.ones(1)), True)
            average = grid(len(known))[1] @ square
            gain = float(grid(len(given))[1] @ present / average) if average > 0.0 else 1.0
        result.coherent[key] = Term(term.root.scaled(math.sqrt(gain)), term.source, term.values)
    return result


def fitted(source: Source, values: Array, x: Moments, *, holds_zeros: bool) -> Profile:
    """These values of a source with the moments of x; what is zero among them stays so, or the mean is met as well."""
    w = grid(source.points)[1].reshape(-1, *(1,) * x.mean.ndim)
    mean = (w * values).sum(0)
    if holds_zeros:
        values = values * np.sqrt(x.cells / (w * values**2).sum(0))
    else:
        deviation = np.sqrt((w * (values - mean) ** 2).sum(0))
        values = x.mean + (values - mean) * np.sqrt(np.maximum(x.cells - x.mean**2, 0.0)) / deviation
    source.correlation = correlations(source, values, x)
    return Profile(source, values)


def quantiles(columns: list[Array], variance: float, z: Array) -> Array:
    """F⁻¹(Φ(z)) for the sum of functions of independent standard normal variables, and a normal term of this variance."""
    values, weights = columns[0], grid(len(columns[0]))[1]
    for column in columns[1:]:
        pairs = np.add.outer(thinned(values, weights), thinned(column, grid(len(column))[1]))
        both = np.sort(pairs, axis=None, kind="stable")  # which takes rows that rise for what they are
        middle = both.reshape(DEPTH, DEPTH)[:, DEPTH // 2 - 1 : DEPTH // 2 + 1]
        values, weights = middle.mean(1), np.full(DEPTH, 1.0 / DEPTH)
    sigma, total = np.sqrt(variance), float(np.sqrt(variance + weights @ values**2 - (weights @ values) ** 2))
    if len(values) > DEPTH:
        values, weights = thinned(values, weights), np.full(DEPTH, 1.0 / DEPTH)
    values, weights = merged(values, weights)
    if sigma < STEEP * total:
        return stepped(values, weights, torch.special.ndtr(torch.from_numpy(z)).numpy())
    at = np.linspace(values[0] - 7.0 * sigma, values[-1] + 7.0 * sigma, 2 * DEPTH)
    reached = torch.special.ndtr(torch.from_numpy((at[:, None] - values[None, :]) / sigma)).numpy() @ weights
    return np.asarray(np.interp(z, torch.special.ndtri(torch.from_numpy(np.clip(reached, EDGE, 1.0 - EDGE))).numpy(), at))


def stepped(values: Array, weights: Array, reached: Array) -> Array:
    """The quantiles at these probabilities: a value many share, as the zero of ReLUs, is a step, between others they rise evenly."""
    upper = np.cumsum(weights)
    step = weights > 2.0 / DEPTH
    middle = upper - weights / 2
    at = np.stack([np.where(step, upper - weights, middle), np.where(step, upper, middle)], 1).reshape(-1)
    return np.asarray(np.interp(reached, at, np.repeat(values, 2)))


def merged(values: Array, weights: Array) -> tuple[Array, Array]:
    """Each value once, in order: half of those of a ReLU are one."""
    distinct, of = np.unique(values, return_inverse=True)
    return distinct, np.asarray(np.bincount(of, weights, len(distinct)), dtype=np.float64)


def thinned(values: Array, weights: Array) -> Array:
    """DEPTH values at equal steps of probability."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) - weights[order] / 2
    return np.asarray(np.interp((np.arange(DEPTH) + 0.5) / DEPTH, reached, values[order]))


def correlations(source: Source, values: Array, x: Moments) -> Array:
    """Correlations of the source at which these values have the covariances of x."""
    transform = grid(source.points)[2]
    series = (transform @ values.reshape(source.points, -1))[1:]
    cells = np.arange(series.shape[1]).reshape(x.mean.shape)
    left = cells[np.ix_(*(axis.rows[0] for axis in x.axes))].reshape(-1)
    right = cells[np.ix_(*(axis.rows[1] for axis in x.axes))].reshape(-1)
    coefficients = series[:, left] * series[:, right]
    goal, rho = x.centered().reshape(-1), source.correlation.reshape(-1).copy()
    for _ in range(STEPS):
        value, slope = np.zeros_like(rho), np.zeros_like(rho)
        for coefficient in coefficients[::-1]:
            slope = slope * rho + value
            value = value * rho + coefficient
        slope, value = slope * rho + value, value * rho
        rho = np.clip(rho - (value - goal) / np.maximum(slope, 1e-300), -1.0, 1.0)
    found = np.asarray(rho.reshape(source.correlation.shape))
    same = tuple(slice(0, axis.groups) for axis in x.axes)
    found[same] = source.correlation[same]
    return found


def conditioned(
    g: Cotangent, z: Moments, part: Moments, rest: Moments, *, product: bool = False, law: tuple[Array, Array] | None = None
) -> Cotangent:
    """A cotangent of z = part + rest, or part · rest, with functions of z made functions of the source u of the part.

    An entry's own square is multiplied by E[c²|u], the product of two by E[c|u] E[c|u'], with what the rests of the two have
    in common put into the root; the functions are those of an average entry, the sizes those of each. What comes from several
    roots becomes one term for the squares and one for the products, so that a long stream of sums carries no more than a short one.

    law    values of the rest and their weights, where they are not to be found from its moments
    """
    if z.profile is None or z.profile.values.shape[1:] != z.mean.shape or part.q - part.m**2 < SHARE * (z.q - z.m**2):
        return g
    own = [term for term in g.coherent.values() if term.source is z.profile.source]
    if not own:
        return g
    before = profile_of(part)
    if before.source is z.profile.source or before.values.shape[1:] != part.mean.shape:
        return g
    if [a.size for a in part.axes] != [a.size for a in z.axes] or tuple(map(len, part.dims)) != tuple(map(len, before.source.dims)):
        return g
    roots = [term.root for term in own]
    if any(tuple(map(len, root.dims)) != tuple(map(len, z.dims)) for root in roots):
        return g
    whole, *roots = align(z, *roots)
    if [a.size for a in whole.axes] != [a.size for a in z.axes]:
        return g
    same = np.zeros(whole.pair.shape, dtype=bool)
    same[tuple(axis.cells for axis in whole.axes)] = True
    squares = np.array([np.abs(root.pair[same]).sum() for root in roots])
    products = np.array([np.abs(root.pair[~same]).sum() for root in roots])
    if not squares.any():
        return g
    squares, products = (sizes / max(sizes.sum(), 1e-300) for sizes in (squares, products if products.any() else squares))
    result = Cotangent(g.plain, g.spent)
    for key, term in g.coherent.items():
        if term.source is not z.profile.source:
            result.coherent[key] = term
    pairs, once, twice = np.zeros(whole.pair.shape), np.zeros(z.profile.values.shape[0]), np.zeros(z.profile.values.shape[0])
    for term, root, square, product_of_two in zip(own, roots, squares, products, strict=True):
        pairs += root.pair * align(Moments(z.dims, z.mean, pair_of(None, Profile(term.source, term.values))), whole)[0].pair
        function = over_cells(term.values, z)
        once += product_of_two * function
        twice += square * function**2
    rests = law
    if rests is None:
        rests = law_of_rest(rest, (rest.m, rest.q - rest.m**2) if product else (z.m - part.m, z.q - z.m**2 - (part.q - part.m**2)))
    known, given = over_cells(z.profile.values, z), over_cells(before.values, part)
    anyhow = [grid(len(known))[1] @ function for function in (twice, once)]
    twice, once = expected((twice, once), known, given, rests, product)
    # of a rest that is only one of those there are, what it lets through is not what all do
    gains = [1.0 if law is None or not of_all else grid(len(given))[1] @ function / of_all
             for function, of_all in zip((twice, once), anyhow, strict=True)]  # fmt: skip
    for function, where, gain in ((np.sqrt(twice), same, gains[0]), (once, ~same, gains[1] ** 2)):
        values = np.broadcast_to(function.reshape(-1, *(1,) * part.mean.ndim), before.values.shape)
        met = align(Moments(part.dims, part.mean, pair_of(None, Profile(before.source, values))), whole)[0].pair
        with np.errstate(divide="ignore", invalid="ignore"):
            pair = np.where(where & (np.abs(met) > 1e-9 * np.abs(met).max()), gain * pairs / met, 0.0)
        result.add_coherent(Moments(whole.dims, np.zeros(whole.mean.shape), pair), before.source, values)
    return result


def over_cells(values: Array, x: Moments) -> Array:
    """Values by cell of a tensor, averaged over its elements."""
    for axis in reversed(x.axes):
        values = values @ axis.shares
    return values


def expected(
    functions: Sequence[Array], whole: Array, part: Array, rest: tuple[Array, Array], product: bool
) -> list[Array]:
    """E[c|u] on the grid of u, for each c(s) given with s on the grid of a source.

    s = part(u) + rest, or part(u) · rest; the rest by its values and their weights.
    """
    values, weights = rest
    distinct, of, counts = np.unique(part, return_inverse=True, return_counts=True)
    few = distinct
    if len(distinct) > PLACES:  # values that many have, as zero, are asked for themselves: a function may be another one beside them
        few = np.union1d(np.linspace(distinct[0], distinct[-1], PLACES), distinct[counts > 1])
    at = few[:, None] * values if product else few[:, None] + values
    return [np.interp(distinct, few, np.interp(at, *with_jumps(whole, c)) @ weights)[of] for c in functions]


def with_jumps(whole: Array, function: Array) -> tuple[Array, Array]:
    """A function of s on a grid where s stays at one value for a while, as at the zero of ReLUs: it may jump behind that value."""
    flat = np.diff(whole) <= 0.0
    if not flat.any():
        return whole, function
    after = np.flatnonzero(flat[:-1] & ~flat[1:]) + 1  # the last place at the value
    before = np.flatnonzero(~flat[:-1] & flat[1:]) + 1  # the first one
    near = 1e-9 * (whole[-1] - whole[0])
    at = np.concatenate([whole, whole[after] + near, whole[before] - near])
    values = np.concatenate([function, function[after + 1], function[before - 1]])
    order = np.argsort(at, kind="stable")
    return at[order], values[order]


def law_of_rest(rest: Moments, moments: tuple[float, float]) -> tuple[Array, Array]:
    """Values of the other term, or factor, with their weights, so that they have this mean and variance."""
    mean, variance = moments
    deviation = np.sqrt(max(variance, 0.0))
    bent = values_of(rest)
    if bent is None:
        nodes, weights = grid(DEPTH)[:2]
        return mean + deviation * nodes, weights
    values = over_cells(bent, rest)
    weights = grid(len(values))[1]
    if len(values) > DEPTH:
        values, weights = thinned(values, weights), np.full(DEPTH, 1.0 / DEPTH)
    values, weights = merged(values, weights)
    own = rest.q - rest.m**2
    if abs(mean - rest.m) < ALIKE * np.sqrt(own) and abs(variance - own) < ALIKE * own:
        return values, weights  # as they are, so that a zero is one
    values = values - weights @ values
    spread = float(weights @ values**2)
    return mean + values * (deviation / np.sqrt(max(spread, 1e-300))), weights
