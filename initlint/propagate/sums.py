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
from initlint.propagate.pointwise import REACH, Cotangent, Profile, Source, Term, grid, pair_of, profile_of, values_of

SHARE = 0.05  # of the variance: a term that is less of a sum leaves it normal
STEP = 0.003  # the same for what comes back: P(a > 0, a + b > 0) of normal terms is 1/4 + asin(√share)/2π, 3 % more than for strangers
TERMS = 16  # of a sum of sums that are looked at
DEPTH = 160  # values of s at which F is evaluated; even
STEPS = 4  # of Newton's method, for correlations
FOUND = 0.01  # change of a correlation by a step of it that is the last one: what is left is about its square
PLACES = 240  # of a term at which what it knows is evaluated
STEEP = 0.02  # of the deviation: a normal term that is less of a sum hardly smooths the steps of the others
ALIKE = 0.01  # relative difference of moments that is none
LIKE = 0.05  # of the deviation of a sum: the same for what a term has at its ends and on average, where variances are met anyhow
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


def matters(term: Moments, x: Moments, share: float) -> bool:
    """Whether a term, or a factor, has this share of the variance of x, or decides by its sign.

    Where the other terms of one sign are exactly zero, as a ReLU is half of the time, a small one alone decides whether x is zero, and so
    what the step of another ReLU lets through: of max(0, a) + s max(0, b) three quarters, however small s is.
    """
    if (x.positive and term.positive) or (x.negative and term.negative):
        return bool(term.q > 0.0)
    return term.q - term.m**2 >= share * (x.q - x.m**2)


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
    other, kinds, rest = [], [], variance
    for term in terms:
        values = values_of(term)
        if values is None or not matters(term, x, SHARE):
            continue
        on = on_cells(values, term, x)
        if on is None:
            return None
        other.append(on)
        w = grid(len(on))[1].reshape(-1, *(1,) * x.mean.ndim)
        mean = (w * on).sum(0)
        rest = rest - ((w * on**2).sum(0) - mean**2)
        kinds += [on[0] / REACH, mean, (w * np.abs(on)).sum(0), on[-1] / REACH]
    if not other or not np.all(variance > 0):
        return None
    source = Source(x)
    z = grid(source.points)[0]
    result = np.empty((len(z), *x.mean.shape))
    found: dict[tuple[int, ...], Array] = {}  # many cells, as those at opposite borders of an image, are nearly alike but for size
    for cell in np.ndindex(*x.mean.shape):
        column = (slice(None), *cell)
        columns, size = [values[column] for values in other], float(np.sqrt(variance[cell]))
        own = float(max(rest[cell], 0.0))
        key = tuple(round(float(kind[cell]) / (LIKE * size)) for kind in kinds)
        if key not in found:
            found[key] = quantiles(columns, own, z) / size
        result[column] = size * found[key]
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
    met = source.correlated
    coefficients = series[:, met.left] * series[:, met.right]
    goal, rho = x.centered().reshape(-1)[met.near], met.rho
    if met.fold is not None:  # a pair and its mirror image are one
        every, goal = goal, np.empty_like(rho)
        goal[met.fold] = every
    for _ in range(STEPS):
        value, slope = coefficients[-1].copy(), np.zeros_like(rho)
        for coefficient in coefficients[-2::-1]:
            slope *= rho
            slope += value
            value *= rho
            value += coefficient
        slope, value = slope * rho + value, value * rho
        rho, before = np.clip(rho - (value - goal) / np.maximum(slope, 1e-300), -1.0, 1.0), rho
        if np.abs(rho - before).max() < FOUND:
            break
    found = np.zeros(source.correlation.shape)
    found.reshape(-1)[met.near] = met.unfolded(rho)
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
    if z.profile is None or z.profile.values.shape[1:] != z.mean.shape or not matters(part, z, STEP):
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
    here, there = varying(part, z) or (None, None)
    pairs, once, twice = np.zeros(whole.pair.shape), np.zeros(z.profile.values.shape[0]), np.zeros(z.profile.values.shape[0])
    for term, square, product_of_two in zip(own, squares, products, strict=True):
        pairs += align(term.moments, whole)[0].pair
        function = over_cells(term.values, z, there)
        once += product_of_two * function
        twice += square * function**2
    rests = law
    if rests is None:
        (mean, variance), sums = moments_of(part, here), moments_of(z, there)
        rests = law_of_rest(rest, moments_of(rest) if product else (sums[0] - mean, sums[1] - variance))
    known, given = over_cells(z.profile.values, z, there), over_cells(before.values, part, here)
    anyhow = [grid(len(known))[1] @ function for function in (twice, once)]
    twice, once = expected((twice, once), known, given, rests, product)
    # of a rest that is only one of those there are, what it lets through is not what all do
    gains = [1.0 if law is None or not of_all else grid(len(given))[1] @ function / of_all
             for function, of_all in zip((twice, once), anyhow, strict=True)]  # fmt: skip
    first = own[int(squares.argmax())]
    left = pairs.copy()  # what entries that do not vary get, as those of padding, is no function of anything
    for function, where, gain in ((np.sqrt(twice), same, gains[0]), (once, ~same, gains[1] ** 2)):
        values = np.broadcast_to(function.reshape(-1, *(1,) * part.mean.ndim), before.values.shape)
        met = align(Moments(part.dims, part.mean, pair_of(None, Profile(before.source, values))), whole)[0].pair
        where = where & (np.abs(met) > 1e-9 * np.abs(met).max())
        left[where] = 0.0
        known = np.where(where, gain * pairs, 0.0)
        root = Moments(whole.dims, np.zeros(whole.mean.shape), np.divide(known, met, out=np.zeros(known.shape), where=where))
        root.near = first.root.near
        result.add_term(Term(root, before.source, values, root.with_(pair=known, near=first.moments.near)))
    if left.any():
        result.add_plain(Moments(whole.dims, np.zeros(whole.mean.shape), left))
    return result


def moments_of(x: Moments, there: Array | None = None) -> tuple[float, float]:
    """Mean and variance of an average entry, or one of some cells."""
    if there is None:
        return x.m, x.q - x.m**2
    mean = float(over_cells(x.mean, x, there))
    return mean, float(over_cells(x.cells, x, there)) - mean**2


def over_cells(values: Array, x: Moments, there: Array | None = None) -> Array:
    """Values by cell of a tensor, averaged over its elements, or those of some cells."""
    if there is not None:
        share = there
        for k, axis in enumerate(x.axes):
            share = share * axis.shares.reshape([-1 if n == k else 1 for n in range(share.ndim)])
        return np.asarray(values.reshape(*values.shape[: values.ndim - share.ndim], -1) @ (share / share.sum()).reshape(-1))
    for axis in reversed(x.axes):
        values = values @ axis.shares
    return values


def varying(part: Moments, z: Moments) -> tuple[Array, Array] | None:
    """Ones by cell of a part, and of a sum, where the part varies; None where that is everywhere: borders and padding do not."""
    own = (part.cells > part.mean**2).astype(np.float64)
    if own.all() or not own.any():
        return None
    p, whole = align(part, z)
    return (own, (p.cells > p.mean**2).astype(np.float64)) if whole.mean.shape == z.mean.shape else None


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
